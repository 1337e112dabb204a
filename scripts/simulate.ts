/** `npm run simulate -- [--seeds N] [--seed S] [--json] [--trace]`: runs seeds of the simulation, as many as wanted. */
import { parseArgs } from 'node:util'
import { explain } from '../test/simulation/workload/explain.ts'
import { runSeed } from '../test/simulation/workload/run.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
})
const seeds = wholeNumber('--seeds', values.seeds)
const first = wholeNumber('--seed', values.seed)
const sayEveryMs = 2_000

const startedMs = performance.now()
let saidMs = startedMs
const failing: number[] = []
let inputs = 0
let deaths = 0
for (let seed = first; seed < first + seeds; seed++) {
  const result = await runSeed(
    seed,
    values.trace ? { onLine: (line) => process.stderr.write(`${line}\n`) } : {},
  )
  inputs += result.inputs
  deaths += result.deaths
  if (result.violations.length > 0) {
    failing.push(seed)
    process.stderr.write(`\n${explain(result)}\n\n`)
  }
  if (performance.now() - saidMs > sayEveryMs) {
    saidMs = performance.now()
    process.stderr.write(`${seed - first + 1} of ${seeds} seeds, ${failing.length} failed\n`)
  }
}
const secondsTaken = (performance.now() - startedMs) / 1_000
const seedsPerSecond = Math.round((seeds / secondsTaken) * 10) / 10

if (values.json) {
  const summary = { seeds, failed: failing.length, seeds_per_second: seedsPerSecond, failing_seeds: failing }
  process.stdout.write(`${JSON.stringify(summary)}\n`)
} else {
  const rows = [
    ['seeds', `${first} to ${first + seeds - 1}`],
    ['failed', failing.length === 0 ? '0' : `${failing.length}: ${failing.join(' ')}`],
    ['inputs', String(inputs)],
    ['deaths of the process', String(deaths)],
    ['seeds per second', String(seedsPerSecond)],
  ]
  for (const [name = '', value = ''] of rows) process.stdout.write(`${name.padEnd(24)}${value}\n`)
}
process.exitCode = failing.length === 0 ? 0 : 1

function wholeNumber(option: string, text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 1) return value
  process.stderr.write(`${option}: a whole number from 1, not ${text}\n`)
  process.exit(2)
}
