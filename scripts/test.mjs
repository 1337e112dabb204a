/** `npm test`: every check there is, from a fresh clone on. `npm test -- <files>` runs these test files alone. */
import { installDependencies, runOnNode24 } from './lib/setup.mjs'

await installDependencies()
await runOnNode24('scripts/lib/check.mjs', process.argv.slice(2))
