import { isDeath } from '../../../src/testing/death.ts'
import {
  AgentSimulation,
  createSeededRandom,
  drawFaults,
  type AgentFaults,
  type Swaps,
} from '../../../src/testing/index.ts'
import { checkEnd, checkStart } from './checkers.ts'
import { checkStops } from './stops.ts'
import { Deployments } from './deployments.ts'
import { createMind } from './mind.ts'
import { hostileMind, SafeModeCheck } from './safe-mode.ts'
import { findMendable, operate, sendThread } from './people.ts'
import { drawWorkload, type Workload } from './script.ts'
import { Watch } from './watch.ts'
import { World, type Violation } from './world.ts'

export interface SeedOptions {
  readonly swaps?: Swaps
  readonly faults?: Partial<AgentFaults>
  /** An input that kills the process is among the others. Default: the seed decides. */
  readonly poison?: boolean
  /** Whether other versions of the agent's code may come. Default true. */
  readonly deploys?: boolean
  readonly onLine?: (line: string) => void
}

export interface SeedResult {
  readonly seed: number
  readonly violations: readonly Violation[]
  readonly digest: string
  readonly deaths: number
  readonly inputs: number
  /** What was reached, by name, in disk, database and simulation. */
  readonly reached: ReadonlyMap<string, number>
  readonly lastLines: readonly string[]
}

/** The faults end here, and after so long everything must have come to rest (timers set for later excepted). */
const faultsMs = 12_000
export const convergesWithinMs = 300_000
/** Far more than the faults of any seed can cause. */
const startsMax = 150

/** One seed: one agent with its own work and its own mishaps, judged at the end. */
export async function runSeed(seed: number, options: SeedOptions = {}): Promise<SeedResult> {
  const random = createSeededRandom(`perdura/${seed}`)
  const workload = drawWorkload(random.fork('workload'), options.poison)
  const faults = { ...drawFaults(random.fork('faults')), ...options.faults }
  const world = new World()
  const watch = new Watch(world)
  // Deaths that come from outside must not add up to those that a turn is blamed for.
  const limits = { failuresMax: 6, crashesMax: workload.hasPoison ? random.pick([2, 4]) : 50 }
  const deaths = workload.hasPoison
    ? { deathsMax: Math.min(faults.deathsMax, limits.crashesMax - 1), disk: {} }
    : { deathsMax: faults.deathsMax }
  const people = random.fork('people')
  const deployments = new Deployments(world, random.fork('deployments'), options.deploys ?? true)

  const simulation = new AgentSimulation({
    seed: `perdura/${seed}/machine`,
    agent: (outside, process, safeMode) => {
      if (safeMode) return hostileMind(world)
      const underWay = (key: string): boolean => simulation.network.underWay(key)
      return createMind(
        workload,
        {
          world,
          watch,
          outside,
          process,
          deployment: deployments.of(simulation.incarnations.length),
          underWay,
          clockJumps: faults.clockJumps > 0,
        },
        limits,
      )
    },
    deliver: (message) => world.receive(message, (message.content as { refuse?: boolean }).refuse === true),
    faults: { ...faults, ...deaths },
    store: {
      segmentBytes: random.pick([4_096, 4_096, 16_384, 65_536]),
      cutEverySegments: random.pick([1, 2, 4]),
    },
    // Small enough to be full now and then; a turn sends at most as much as the outbox takes.
    limits: random.chance(0.2) ? { inboxMax: random.int(3, 6), outboxMax: 6 } : {},
    swaps: options.swaps,
  })
  simulation.trace.onLine = options.onLine
  const safeMode = new SafeModeCheck(world)
  simulation.onReady = (incarnation) => {
    checkStart(simulation, world, incarnation)
    deployments.checkStart(incarnation)
    safeMode.began(incarnation)
  }
  simulation.onStopping = (incarnation) => safeMode.ends(incarnation)
  simulation.onDeath = () => watch.died()
  simulation.onLog = (event, { reason, sequence }) => {
    if (event === 'agent:stop:unmarked') world.unmarkedStops.add(simulation.incarnations.length)
    if (event !== 'store:chain:started' || reason === 'created') return
    // Begun and never written to: where the database is lost just then, nothing tells it from a chain that was lost.
    if (sequence === 0 && faults.databaseLossRate > 0) return
    world.violate(
      'journal-intact',
      `a new chain was begun (${JSON.stringify(reason)}), and nothing had damaged the journal`,
    )
  }

  let over = false
  const limit = Error.stackTraceLimit
  // Stacks name the place where the sources are: in a trace they would differ from machine to machine.
  Error.stackTraceLimit = 0
  try {
    await live(simulation, world, workload, people, () => over)
    over = true
    await simulation.clock.settle(simulation.end(people.chance(0.5)), { withinMs: 60_000 })
    checkEnd(simulation, world, workload, limits, deployments)
    checkStops(simulation, world, faults)
  } catch (error) {
    if (isDeath(error)) throw error
    world.violate('no-stray-errors', (error as Error).message)
  } finally {
    over = true
    Error.stackTraceLimit = limit
  }
  return {
    seed,
    violations: world.violations,
    digest: simulation.trace.digest,
    deaths: simulation.incarnations.length - 1,
    inputs: workload.threads.flat().length,
    reached: new Map([...simulation.disk.reached, ...simulation.database.reached, ...simulation.reached]),
    lastLines: simulation.trace.last,
  }
}

async function live(
  simulation: AgentSimulation,
  world: World,
  workload: Workload,
  random: ReturnType<typeof createSeededRandom>,
  over: () => boolean,
): Promise<void> {
  const { clock } = simulation
  let sending = workload.threads.length
  const pauseMsMax = random.pick([1, 300, 3_000])
  const repeatRate = random.pick([0, 0.3])
  for (const thread of workload.threads) {
    const done = (): void => void (sending -= 1)
    void sendThread(simulation, world, thread, {
      random: random.fork('sender'),
      pauseMsMax,
      repeatRate,
    }).then(done)
  }
  void operate(simulation, world, over)
  simulation.start(faultsMs)

  let state: 'faulty' | 'busy' | 'resting' = 'faulty'
  const look = (): void => {
    if (simulation.incarnations.length > startsMax) {
      world.violate('converges', `it was started ${startsMax} times`)
      state = 'resting'
      return
    }
    if (clock.monotonicMs() >= faultsMs && state === 'faulty') state = 'busy'
    if (
      state === 'busy' &&
      sending === 0 &&
      isAtRest(simulation, false) &&
      !findMendable(simulation, world)
    ) {
      state = 'resting'
    }
    clock.schedule(state === 'resting' ? 5_000 : 500, look)
  }
  look()
  await clock.runFor(faultsMs)
  try {
    await clock.run(() => state === 'resting', { withinMs: convergesWithinMs })
  } catch (error) {
    world.violate(
      'converges',
      `not at rest ${convergesWithinMs} ms after the faults: ${(error as Error).message}`,
    )
    return
  }
  // What is left are timers: theirs is the wall clock, which may be far off.
  let fired = false
  const lookForTimers = (): void => {
    fired = isAtRest(simulation, true)
    clock.schedule(60_000, lookForTimers)
  }
  lookForTimers()
  if (world.violations.length === 0) await clock.run(() => fired, { withinMs: 30 * 86_400_000 })
}

/** Nothing waits in the inbox or in the outbox (and no timer is set). */
function isAtRest({ agent }: AgentSimulation, timersToo: boolean): boolean {
  if (agent === undefined) return false
  const count = (from: string): number =>
    agent.reader.get<{ count: number }>(`SELECT count(*) AS count FROM ${from}`)?.count ?? 0
  return (
    count("inbox WHERE status IN ('pending', 'running', 'parked')") === 0 &&
    count("outbox WHERE status = 'pending' AND recipient <> 'you'") === 0 &&
    (!timersToo || count('timers') === 0)
  )
}
