/** `npm start`: everything up in the foreground, from a fresh clone on. What follows `--` goes to `perdura up`. */
import { installDependencies, runOnNode24 } from './lib/setup.mjs'

await installDependencies()
await runOnNode24('bin/perdura.mjs', ['up', ...process.argv.slice(2)])
