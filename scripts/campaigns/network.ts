import { toError } from '../../src/errors.ts'
import {
  fullProfile,
  networkCases,
  reconnections,
  type NetworkCase,
} from '../../test/integration/network/cases.ts'
import { throughProxies, type NetworkReport } from '../../test/integration/network/network-world.ts'
import type { Campaign } from './campaign.ts'

/** They mostly wait. */
const atOnce = 3

interface Outcome {
  readonly name: string
  readonly report: NetworkReport | undefined
  readonly failures: readonly string[]
}

/** The network tests with the limits that the product has, whose silence is 30 s, and five times the reconnections. */
export const campaign: Campaign = async (say) => {
  const outcomes = new Map<string, Outcome>()
  const cases = [reconnections, ...networkCases]
  const waiting = [...cases]
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const outcome = await execute(next)
      outcomes.set(next.name, outcome)
      say(`${outcome.failures.length === 0 ? '✔' : '✖'} ${next.name}`)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  const all = cases.flatMap(({ name }) => outcomes.get(name) ?? [])
  const told = all.flatMap(({ name, report }) => (report === undefined ? [] : [{ name, ...report }]))
  return {
    document: {
      cases: told.map(({ name, messages, resumedMs, lost, duplicated, reordered }) => ({
        name,
        messages,
        lost,
        duplicated,
        reordered,
        resumed: resumedMs.length,
        resumed_median_ms: Math.round(medianOf(resumedMs)),
        resumed_max_ms: Math.round(Math.max(0, ...resumedMs)),
      })),
    },
    header: [
      'what happens',
      'messages',
      'lost, doubled, reordered',
      'times resumed',
      'median, s',
      'longest, s',
    ],
    rows: told.map(({ name, messages, resumedMs, lost, duplicated, reordered }) => [
      name,
      String(messages),
      `${lost}, ${duplicated}, ${reordered}`,
      String(resumedMs.length),
      seconds(medianOf(resumedMs)),
      seconds(Math.max(0, ...resumedMs)),
    ]),
    failures: all.flatMap(({ name, failures }) => failures.map((failure) => `${name}: ${failure}`)),
  }
}

async function execute({ name, run }: NetworkCase): Promise<Outcome> {
  try {
    const report = await throughProxies(fullProfile.options, (world) => run(world, fullProfile))
    return { name, report, failures: report.findings }
  } catch (thrown) {
    return { name, report: undefined, failures: [toError(thrown).message] }
  }
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1)
}
