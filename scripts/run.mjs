/** `npm run bench|simulate|chaos|campaign`: programs of the clone, from a fresh clone on. */
import { installDependencies, runOnNode24 } from './lib/setup.mjs'

const programs = {
  bench: 'bench/main.ts',
  simulate: 'scripts/simulate.ts',
  chaos: 'scripts/chaos.ts',
  campaign: 'scripts/campaign.ts',
}

const [name, ...args] = process.argv.slice(2)
const program = programs[name]
if (program === undefined) {
  process.stderr.write(`usage: node scripts/run.mjs ${Object.keys(programs).join('|')} [-- options]\n`)
  process.exit(2)
}
await installDependencies()
await runOnNode24(program, args)
