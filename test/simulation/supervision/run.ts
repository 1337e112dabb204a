import { toError } from '../../../src/errors.ts'
import { isDeath } from '../../../src/testing/death.ts'
import { createSeededRandom, SimulatedClock } from '../../../src/testing/index.ts'
import { Trace } from '../../../src/testing/trace.ts'
import type { SupervisionSwaps } from './daemon.ts'
import { Judge, type Violation } from './judge.ts'
import { Ledger } from './ledger.ts'
import { Machine } from './machine.ts'
import { drawMishaps, type Mishaps } from './mishaps.ts'
import { drawEpisodes } from './program.ts'
import { drawSpecs, World } from './world.ts'

export interface SupervisionSeedOptions {
  readonly swaps?: SupervisionSwaps
  readonly mishaps?: Partial<Mishaps>
  readonly onLine?: (line: string) => void
}

export interface SupervisionSeedResult {
  readonly seed: number
  readonly violations: readonly Violation[]
  readonly digest: string
  /** Processes that were started. */
  readonly starts: number
  readonly reached: ReadonlyMap<string, number>
  readonly lastLines: readonly string[]
}

/** The faults end here, and after so long everything that is wanted must run. */
const faultsMs = 120_000
/** A start that never ends and has eight times its time, and a safe mode at its longest, with their delays. */
const convergesWithinMs = 120_000

/** One seed: a hub and three agents under one daemon after the other, judged by what really happens to their processes. */
export async function runSupervisionSeed(
  seed: number,
  options: SupervisionSeedOptions = {},
): Promise<SupervisionSeedResult> {
  const random = createSeededRandom(`perdura/supervision/${seed}`)
  const clock = new SimulatedClock()
  const trace = new Trace()
  trace.onLine = options.onLine
  const mishaps = { ...drawMishaps(random.fork('mishaps')), ...options.mishaps }
  const specs = drawSpecs(random.fork('specs'))
  const ledgers = specs.map((spec) => new Ledger(spec))
  const judge = new Judge(new Map(ledgers.map((ledger) => [ledger.spec.name, ledger])))
  const programs = random.fork('programs')
  const episodes = new Map(
    specs.map(({ name }) => [name, mishaps.defects ? drawEpisodes(programs.fork(name), faultsMs) : []]),
  )
  const machine = new Machine(clock, trace, random.fork('machine'), episodes, judge)
  judge.machine = machine
  const world = new World(machine, random.fork('world'), judge, ledgers, options.swaps ?? {})
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    world.start(mishaps, faultsMs)
    await clock.runFor(faultsMs)
    world.calm()
    try {
      await clock.run(() => world.unrest === undefined, { withinMs: convergesWithinMs })
    } catch (error) {
      judge.violate('converges', `${toError(error).message}: ${world.unrest}`)
    }
    await clock.runFor(2_000)
    judge.checkEnd(world.daemon)
  } catch (error) {
    if (isDeath(error)) throw error
    judge.violate('no-stray-errors', toError(error).stack ?? toError(error).message)
  } finally {
    Error.stackTraceLimit = limit
  }
  return {
    seed,
    violations: judge.violations,
    digest: trace.digest,
    starts: machine.starts,
    reached: machine.reached,
    lastLines: trace.last,
  }
}
