import { toError } from '../../../src/errors.ts'
import { isDeath } from '../../../src/testing/death.ts'
import {
  createSeededRandom,
  SimulatedClock,
  SimulatedHttp,
  SimulatedNetwork,
  SimulatedTransport,
} from '../../../src/testing/index.ts'
import { Trace } from '../../../src/testing/trace.ts'
import { Judge, type Violation } from './judge.ts'
import type { WireSwaps } from './machines.ts'
import { drawMishaps, type Mishaps } from './mishaps.ts'
import { drawWork } from './work.ts'
import { WireWorld } from './wire-world.ts'

export interface WireSeedOptions {
  readonly swaps?: WireSwaps
  readonly mishaps?: Partial<Mishaps>
  readonly onLine?: (line: string) => void
}

export interface WireSeedResult {
  readonly seed: number
  readonly violations: readonly Violation[]
  readonly digest: string
  readonly messages: number
  /** How often each thing was met: mishaps, reasons of `ready`, faults of the network. */
  readonly reached: ReadonlyMap<string, number>
  readonly lastLines: readonly string[]
}

/** The mishaps end here, and after so long everything must have come to rest. */
const mishapsMs = 40_000
const convergesWithinMs = 15 * 60_000
/** A return to the preferred address that comes to nothing is tried again after twice the time. */
const returnsWithinMs = 60 * 60_000

/** One seed: a hub and three agents, their work and their mishaps, judged by what all of them have at the end. */
export async function runWireSeed(seed: number, options: WireSeedOptions = {}): Promise<WireSeedResult> {
  const random = createSeededRandom(`perdura/wire/${seed}`)
  const clock = new SimulatedClock()
  const trace = new Trace()
  trace.onLine = options.onLine
  const network = new SimulatedNetwork({ clock, random })
  const mishaps = { ...drawMishaps(random.fork('mishaps')), ...options.mishaps }
  const work = drawWork(random.fork('work'), mishaps.urgency ? random.fork('urgency') : undefined)
  const judge = new Judge(clock, work, mishaps)
  const disks = random.fork('full disks')
  const world: WireWorld = new WireWorld(
    {
      clock,
      random,
      network,
      http: new SimulatedHttp({ clock, random, network }),
      transport: new SimulatedTransport({ clock, random, network }),
      trace,
      swaps: options.swaps ?? {},
      watch: judge,
      waitingMax: mishaps.waitingMax,
      publishMax: mishaps.publishMax,
      windowMax: mishaps.windowMax,
      skewMsMax: mishaps.skewMsMax,
      isFull: () => world.isFull(disks),
      hubNodes: mishaps.hubNodes,
      addresses: mishaps.addresses,
      tightAdmission: mishaps.tightAdmission,
      journal: mishaps.journal,
      accessTtlS: mishaps.accessTtlS,
      retry: mishaps.retry,
    },
    { work, mishaps, mishapsMs, judge },
  )
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    world.start()
    await clock.runFor(mishapsMs)
    try {
      await clock.run(() => world.isAtRest, {
        withinMs: mishaps.addresses > 1 ? returnsWithinMs : convergesWithinMs,
      })
    } catch (error) {
      judge.violate('converges', `${toError(error).message}: ${world.unrest()}`)
    }
    judge.checkEnd(world)
  } catch (error) {
    if (isDeath(error)) throw error
    judge.violate('no-stray-errors', toError(error).message)
  } finally {
    world.end()
    Error.stackTraceLimit = limit
  }
  return {
    seed,
    violations: judge.violations,
    digest: trace.digest,
    messages: work.messages.size,
    reached: new Map([...judge.reached, ...world.reached, ...network.reached]),
    lastLines: trace.last,
  }
}
