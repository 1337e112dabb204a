import type { HubOptions } from '../../../src/hub/hub.ts'
import { herdFigures, peakMax, type HerdReturn } from '../../helpers/herd-figures.ts'
import { HerdWorld, type HerdSwaps } from './herd-world.ts'

export type HerdInvariant = 'no-synchronised-peak' | 'all-back-in-time' | 'bounded-attempts'

export interface HerdViolation {
  readonly invariant: HerdInvariant
  readonly message: string
}

export interface HerdOptions {
  readonly seed: number
  readonly agents: number
  readonly swaps?: HerdSwaps
}

export type Scenario = (options: HerdOptions) => Promise<readonly HerdViolation[]>

/** Longer than a connection must last for the next delay to be short again. */
const calmMs = 31_000
/** An agent that nobody keeps waiting asks again within this, however long it has tried. */
const longestDelayMs = 30_000

/** How strongly a series echoes itself that nobody has synchronised, beyond what chance makes. */
const echoMax = 0.15

/**
 * The hub is away for long: for a minute and a half everybody has reached the bound of his delays, then everybody is
 * suspended. Then it is back, and so is everybody.
 */
export const longOutage: Scenario = async (options) => {
  const world = await gathered(options)
  try {
    const droppedMs = world.clock.monotonicMs()
    world.killHub()
    await world.wait(300_000)
    await world.startHub()
    const backMs = world.clock.monotonicMs()
    await world.allOnline()
    const herd = returnOf(world, options, droppedMs)
    const tookMs = world.lastOnlineMs - backMs
    return [
      ...peaksOf(herd, { fromMs: 40_000, toMs: 115_000 }),
      ...peaksOf(herd, { fromMs: 160_000, toMs: 300_000 }),
      ...(tookMs <= longestDelayMs * 1.2
        ? []
        : [violation('all-back-in-time', `after ${seconds(tookMs)} not all were back`)]),
    ]
  } finally {
    world.end()
  }
}

/** Everybody's connection is reset at the same moment, and the hub, which goes on, lets so many in again in a second. */
export const droppedTogether: Scenario = async (options) => {
  const herd = await dropTogether(options, smallAdmission)
  const { perSecond } = smallAdmission.resumes
  const allowedMs = (options.agents / perSecond) * 1_000 * 1.2
  return [
    ...peaksOf(herd),
    ...(herd.allBackMs <= allowedMs
      ? []
      : [violation('all-back-in-time', `all were back after ${seconds(herd.allBackMs)}`)]),
  ]
}

/** What a hub lets in that has a twentieth of the herd that it is made for. */
const smallAdmission = { resumes: { perSecond: 25, burst: 25 }, newSessions: { perSecond: 5, burst: 10 } }

/** The same with any herd and any hub. */
export async function dropTogether(
  options: HerdOptions,
  admission: NonNullable<HubOptions['admission']>,
): Promise<HerdReturn> {
  const world = await gathered(options, admission)
  try {
    const droppedMs = world.clock.monotonicMs()
    world.dropAll()
    // It takes a moment until they hear of it.
    await world.wait(100)
    await world.allOnline()
    return returnOf(world, options, droppedMs)
  } finally {
    world.end()
  }
}

/** The hub takes everybody in, and drops everybody again at once, for two minutes. */
export const flappingHub: Scenario = async (options) => {
  const world = await gathered(options)
  try {
    const droppedMs = world.clock.monotonicMs()
    world.mayLive = () => false
    world.dropAll()
    await world.wait(100_000)
    const { attemptsPerAgent } = herdFigures(returnOf(world, options, droppedMs))
    world.mayLive = () => true
    await world.allOnline()
    // 0.5, 1.25, 2.25, 4.25, 8.25 s, and then 10.25 s in the mean.
    return attemptsPerAgent <= 16
      ? []
      : [violation('bounded-attempts', `${attemptsPerAgent.toFixed(1)} attempts of each agent in 100 s`)]
  } finally {
    world.end()
  }
}

/** With the hub's usual admission, or another. */
async function gathered(
  options: HerdOptions,
  admission?: NonNullable<HubOptions['admission']>,
): Promise<HerdWorld> {
  const world = new HerdWorld(options)
  await world.gather()
  await world.startHub(admission)
  await world.allOnline()
  await world.wait(calmMs)
  return world
}

function returnOf(world: HerdWorld, { agents }: HerdOptions, droppedMs: number): HerdReturn {
  return {
    agents,
    attempts: world.attempts
      .filter(({ ms }) => ms >= droppedMs)
      .map(({ agent, ms }) => ({ agent, ms: ms - droppedMs })),
    allBackMs: world.lastOnlineMs - droppedMs,
  }
}

function peaksOf(
  herd: HerdReturn,
  window: { readonly fromMs?: number; readonly toMs?: number } = {},
): HerdViolation[] {
  const { peak, mean, echo } = herdFigures(herd, window)
  const { fromMs, toMs } = window
  const when =
    fromMs === undefined || toMs === undefined
      ? 'on the way back'
      : `from ${seconds(fromMs)} to ${seconds(toMs)}`
  return [
    ...(peak <= peakMax(mean)
      ? []
      : [violation('no-synchronised-peak', `${peak} attempts in a bin of ${mean.toFixed(1)} ${when}`)]),
    ...(echo <= echoMax
      ? []
      : [violation('no-synchronised-peak', `the attempts ${when} echo themselves by ${echo.toFixed(2)}`)]),
  ]
}

function violation(invariant: HerdInvariant, message: string): HerdViolation {
  return { invariant, message }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
