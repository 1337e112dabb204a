import type { DiskFaultRates } from './disk-faults.ts'
import type { SeededRandom } from './random.ts'

/** What befalls a simulated agent until the quiet period begins. */
export interface AgentFaults {
  /** Deaths that are planned: at the n-th call of a port, at a point in time, or by a clean stop. */
  readonly deathsMax: number
  /** Chance that the power fails with a death, so that what was not synced may be gone. */
  readonly powerCutRate: number
  /** Chance that the database is lost or damaged with a death: it must come back from cut and journal. */
  readonly databaseLossRate: number
  /** Chance that a write of the database finds no room (SQLITE_FULL). */
  readonly databaseFullRate: number
  readonly downtimeMsMax: number
  readonly disk: DiskFaultRates
  /** Times that the disk is full for a while. */
  readonly fullDisks: number
  /** Jumps of the wall clock, and how far they go, ms. */
  readonly clockJumps: number
  readonly clockJumpMsMax: number
  /** Chance that a request or its answer gets lost, both of the agent's effects and of what it is sent. */
  readonly lossRate: number
  readonly latencyMsMax: number
  /** Chance that a process is started in safe mode, which ends by itself after a while. */
  readonly safeModeRate: number
  /** Chance that a process ends by a clean stop with all the time it needs, whatever else was planned for it. */
  readonly stopRate: number
  /** Chance that whoever asked for a clean stop loses patience. */
  readonly hurryRate: number
  /** Chance that a process that stops is killed in the middle of that. */
  readonly stopDeathRate: number
  /** Boundaries to aim at (see `reached` of a simulation for their names), by their beginnings. Default: a mixture. */
  readonly aims?: readonly string[]
}

export const noFaults: AgentFaults = {
  deathsMax: 0,
  powerCutRate: 0,
  databaseLossRate: 0,
  databaseFullRate: 0,
  downtimeMsMax: 1,
  disk: {},
  fullDisks: 0,
  clockJumps: 0,
  clockJumpMsMax: 0,
  lossRate: 0,
  latencyMsMax: 20,
  safeModeRate: 0,
  stopRate: 0,
  hurryRate: 0,
  stopDeathRate: 0,
}

/** Each seed has a mixture of its own: some faults often, some not at all, since one kind can hide another. */
export function drawFaults(random: SeededRandom): AgentFaults {
  const some = (rate: number): boolean => random.chance(rate)
  const disk: DiskFaultRates = {
    ...(some(0.3) && { syncError: 0.004 }),
    ...(some(0.2) && { writeError: 0.002 }),
    ...(some(0.2) && { noSpace: 0.01 }),
    ...(some(0.15) && { readError: 0.002 }),
    ...(some(0.2) && { slow: 0.01, slowMsMax: 400 }),
  }
  return {
    deathsMax: some(0.92) ? random.int(1, 9) : 0,
    powerCutRate: some(0.7) ? random.pick([0.2, 0.5, 1]) : 0,
    databaseLossRate: some(0.2) ? 0.3 : 0,
    databaseFullRate: some(0.15) ? 0.01 : 0,
    downtimeMsMax: random.pick([1, 100, 3_000]),
    disk,
    fullDisks: some(0.15) ? random.int(1, 2) : 0,
    clockJumps: some(0.25) ? random.int(1, 4) : 0,
    clockJumpMsMax: random.pick([2_000, 3_600_000, 86_400_000]),
    lossRate: some(0.6) ? random.pick([0.05, 0.15]) : 0,
    latencyMsMax: random.pick([2, 20, 120]),
    safeModeRate: some(0.25) ? random.pick([0.2, 0.5]) : 0,
    stopRate: some(0.2) ? 0.5 : 0,
    hurryRate: some(0.5) ? 0.5 : 0,
    stopDeathRate: some(0.5) ? 0.5 : 0,
  }
}

/** How one incarnation of the process is to end. */
export type PlannedEnd =
  | { readonly kind: 'none' }
  /** At the n-th boundary whose name starts so ('' for any). */
  | { readonly kind: 'boundary'; readonly prefix: string; readonly count: number }
  | { readonly kind: 'time'; readonly afterMs: number }
  | { readonly kind: 'stop'; readonly afterMs: number; readonly deadlineMs: number }

/** Boundaries that are aimed at besides all the others: around the commit, and while the journal is looked after. */
const aims = [
  'segment:before:write',
  'segment:before:write-part',
  'segment:after:write',
  'segment:before:sync',
  'segment:after:sync',
  'database:before:begin',
  'database:before:commit',
  'database:after:commit',
  'database:before:checkpoint',
  'database:after:checkpoint',
  'database:before:apply',
  'database:before:copy',
  'cut:before:rename',
  'manifest:before:rename',
  'spare:before:rename',
  'spare:after:rename',
  'segment:after:remove',
] as const

/** `before`: how the incarnation before was to end. A death soon after another is what recovery has to stand. */
export function drawEnd(
  random: SeededRandom,
  faults: AgentFaults,
  before: PlannedEnd | undefined,
): PlannedEnd {
  if (before?.kind === 'boundary' && random.chance(0.3)) {
    return { kind: 'boundary', prefix: '', count: random.int(1, 250) }
  }
  const kind = random.pick(['any', 'any', 'any', 'aim', 'aim', 'time', 'time', 'stop'] as const)
  switch (faults.aims === undefined ? kind : 'aim') {
    case 'any':
      // As many early ones as late ones: opening is short and has many boundaries of its own.
      return { kind: 'boundary', prefix: '', count: Math.floor(2 ** (random.fraction() * 11)) }
    case 'aim': {
      const prefix = random.pick(faults.aims ?? aims)
      return { kind: 'boundary', prefix, count: random.int(1, random.pick([2, 12, 40])) }
    }
    case 'time':
      return { kind: 'time', afterMs: random.int(0, random.pick([50, 2_000, 8_000])) }
    case 'stop':
      return { kind: 'stop', afterMs: random.int(0, 4_000), deadlineMs: random.pick([0, 50, 10_000]) }
  }
}
