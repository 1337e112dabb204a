/**
 * `npm run simulate -- [--seeds N] [--seed S] [--world agent|wire|supervision|all] [--json] [--trace]`: runs
 * seeds of the simulation, as many as wanted: of one agent on its machine, of a hub with agents, of a supervisor with its
 * children, or (default) of all three.
 */
import { parseArgs } from 'node:util'
import { explainWire } from '../test/simulation/wire/explain.ts'
import { runWireSeed } from '../test/simulation/wire/run.ts'
import { explainSupervision } from '../test/simulation/supervision/explain.ts'
import { runSupervisionSeed } from '../test/simulation/supervision/run.ts'
import { explain } from '../test/simulation/workload/explain.ts'
import { runSeed } from '../test/simulation/workload/run.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    world: { type: 'string', default: 'all' },
  },
})
const worlds = ['agent', 'wire', 'supervision', 'all']
if (!worlds.includes(values.world)) {
  process.stderr.write(`--world: one of ${worlds.join(', ')}, not ${values.world}\n`)
  process.exit(2)
}
const seeds = wholeNumber('--seeds', values.seeds)
const first = wholeNumber('--seed', values.seed)
const sayEveryMs = 2_000

const startedMs = performance.now()
let saidMs = startedMs
const failing: number[] = []
let inputs = 0
let messages = 0
let starts = 0
const onLine = values.trace ? { onLine: (line: string) => process.stderr.write(`${line}\n`) } : {}
for (let seed = first; seed < first + seeds; seed++) {
  const problems = [...(await runAgent(seed)), ...(await runWire(seed)), ...(await runSupervision(seed))]
  if (problems.length > 0) failing.push(seed)
  for (const problem of problems) process.stderr.write(`\n${problem}\n\n`)
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
    ['inputs to agents', String(inputs)],
    ['messages through hubs', String(messages)],
    ['processes started', String(starts)],
    ['seeds per second', String(seedsPerSecond)],
  ]
  for (const [name = '', value = ''] of rows) process.stdout.write(`${name.padEnd(24)}${value}\n`)
}
process.exitCode = failing.length === 0 ? 0 : 1

/** Returns what went wrong. */
async function runAgent(seed: number): Promise<string[]> {
  if (!isWanted('agent')) return []
  const result = await runSeed(seed, onLine)
  inputs += result.inputs
  return result.violations.length > 0 ? [explain(result)] : []
}

async function runWire(seed: number): Promise<string[]> {
  if (!isWanted('wire')) return []
  const result = await runWireSeed(seed, onLine)
  messages += result.messages
  return result.violations.length > 0 ? [explainWire(result)] : []
}

async function runSupervision(seed: number): Promise<string[]> {
  if (!isWanted('supervision')) return []
  const result = await runSupervisionSeed(seed, onLine)
  starts += result.starts
  return result.violations.length > 0 ? [explainSupervision(result)] : []
}

function isWanted(world: string): boolean {
  return values.world === world || values.world === 'all'
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 1) return value
  process.stderr.write(`${option}: a whole number from 1, not ${text}\n`)
  process.exit(2)
}
