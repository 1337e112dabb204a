import type { RetryLimits } from '../../../src/session/retry-policy.ts'
import type { SeededRandom } from '../../../src/testing/index.ts'

/** What befalls a hub and its agents until the quiet period begins. */
export interface Mishaps {
  /** Deaths of the hub, and of each agent. */
  readonly hubDeaths: number
  readonly agentDeaths: number
  /** How many boundaries a process passes at most before it dies, where it dies at one. */
  readonly boundaryMax: number
  readonly downtimeMsMax: number
  readonly partitions: number
  /** Connections that are cut, and how likely one of their sides is not told. */
  readonly cuts: number
  readonly halfOpenRate: number
  readonly lossRate: number
  readonly delayMsMax: number
  /** Times that the hub, or an agent, is put back to an earlier state of its database. */
  readonly hubRestores: number
  readonly agentRestores: number
  /** A second process of an agent, from a copy of its folder, on another host. */
  readonly clones: number
  /** Times that a process hands its session over to the next one. */
  readonly handovers: number
  /** Times that an agent is exported, and imported into another machine; what is left may be started again. */
  readonly moves: number
  readonly clockJumps: number
  readonly clockJumpMsMax: number
  /** How likely a write of hub or agent finds the disk full. */
  readonly fullRate: number
  /** How wrong the wall clock of each machine is. */
  readonly skewMsMax: number
  readonly waitingMax: number
  /** What an agent may have published beyond the last verdict: small enough in some seeds to be reached. */
  readonly publishMax: number
  /** Hubs that serve one database: 1 or 2. */
  readonly hubNodes: number
  /** How many of their addresses the agents know: with 1, something between may lead to either hub. Seeds of their own have 2. */
  readonly addresses: number
  /** One of two hubs is gone for long, and comes back in the quiet period only: dead, or cut off from the agents. */
  readonly outage: 'none' | 'dead' | 'cut'
  /** Times that the operator ends all logins of an agent. */
  readonly revocations: number
  /** The hub lets in few at a time, so that most are refused at first. */
  readonly tightAdmission: boolean
  /** What is sent has priorities, and some of it is good for a while only. */
  readonly urgency: boolean
  /** What an agent may have under way: small enough in some seeds that the rest waits without a number. */
  readonly windowMax: number
  /** Times that a queue is paused, what waits is purged, and dead letters are tried again. */
  readonly pauses: number
  readonly purges: number
  readonly retries: number
  /** Agents keep their whole store, journal and all, which costs time and is judged elsewhere. */
  readonly journal: boolean
  /** Machines that sleep, or processes that are stopped, for a while. */
  readonly sleeps: number
  /** A host gets to another network: its connections are dead, and nobody tells. */
  readonly networkChanges: number
  /** Nobody reaches a hub for so long that delays grow. */
  readonly outages: number
  /** An agent whose connections are cut as soon as they are of use. */
  readonly flaps: number
  /** A hub that takes no connection, and says until when. */
  readonly refusals: number
  /** A hub that says to one agent that it goes away; and one that does go, in good order. */
  readonly drains: number
  readonly hubStops: number
  readonly retry: Partial<RetryLimits>
  /** Commands that use the credentials of an agent beside it, and are killed now and then. */
  readonly operators: number
  /** Whoever takes a refresh token, and uses it later. */
  readonly thieves: number
  readonly accessTtlS: number
}

/** Nothing of what befalls machines and their connections, besides deaths and the network. */
export const noUnrest = {
  sleeps: 0,
  networkChanges: 0,
  outages: 0,
  flaps: 0,
  refusals: 0,
  drains: 0,
  hubStops: 0,
  retry: {},
  operators: 0,
  thieves: 0,
  accessTtlS: 600,
  revocations: 0,
  tightAdmission: false,
  handovers: 0,
  moves: 0,
} as const

export const noMishaps: Mishaps = {
  hubDeaths: 0,
  agentDeaths: 0,
  boundaryMax: 1,
  downtimeMsMax: 1,
  partitions: 0,
  cuts: 0,
  halfOpenRate: 0,
  lossRate: 0,
  delayMsMax: 5,
  hubRestores: 0,
  agentRestores: 0,
  clones: 0,
  clockJumps: 0,
  clockJumpMsMax: 0,
  fullRate: 0,
  skewMsMax: 0,
  waitingMax: 10_000,
  publishMax: 512,
  hubNodes: 1,
  addresses: 1,
  outage: 'none',
  urgency: false,
  windowMax: 256,
  pauses: 0,
  purges: 0,
  retries: 0,
  journal: false,
  ...noUnrest,
}

/** Each seed has a mixture of its own: some mishaps often, some not at all, since one kind can hide another. */
export function drawMishaps(random: SeededRandom): Mishaps {
  const some = (rate: number): boolean => random.chance(rate)
  const hubNodes = some(0.25) ? 2 : 1
  // A database that is put back without its journal catches up with that, and a copy needs both.
  const journal = some(0.1)
  const drawn = {
    hubDeaths: some(0.6) ? random.int(1, 5) : 0,
    agentDeaths: some(0.7) ? random.int(1, 6) : 0,
    boundaryMax: random.pick([10, 100, 1_000]),
    downtimeMsMax: random.pick([1, 200, 5_000]),
    partitions: some(0.4) ? random.int(1, 4) : 0,
    cuts: some(0.6) ? random.int(1, 10) : 0,
    halfOpenRate: random.pick([0, 0.3, 1]),
    lossRate: some(0.3) ? 0.05 : 0,
    delayMsMax: random.pick([2, 20, 400]),
    // Nobody puts a database back that another hub has open.
    hubRestores: some(0.3) && hubNodes === 1 ? random.int(1, 2) : 0,
    agentRestores: some(0.3) && !journal ? random.int(1, 2) : 0,
    clones: some(0.2) && !journal ? 1 : 0,
    clockJumps: some(0.2) ? random.int(1, 3) : 0,
    clockJumpMsMax: random.pick([60_000, 3_600_000]),
    fullRate: some(0.25) ? random.pick([0.01, 0.1]) : 0,
    skewMsMax: some(0.3) ? 600_000 : 0,
    waitingMax: some(0.1) ? random.int(2, 6) : 10_000,
    publishMax: some(0.3) ? random.int(1, 4) : 512,
    hubNodes,
    addresses: 1,
    outage: 'none' as const,
    journal,
    sleeps: some(0.25) ? random.int(1, 3) : 0,
    networkChanges: some(0.25) ? random.int(1, 3) : 0,
    outages: some(0.15) ? 1 : 0,
    flaps: some(0.15) ? 1 : 0,
    refusals: some(0.15) ? random.int(1, 2) : 0,
    drains: some(0.25) ? random.int(1, 4) : 0,
    hubStops: some(0.2) ? random.int(1, 2) : 0,
    retry: {
      ...(some(0.3) && { suspendAfterMs: 8_000 }),
      ...(some(0.15) && { attemptsMax: random.int(1, 4) }),
      ...(some(0.2) && { baseMs: random.pick([100, 5_000]) }),
    },
    operators: some(0.3) ? random.int(1, 12) : 0,
    thieves: some(0.1) ? random.int(1, 3) : 0,
    accessTtlS: some(0.5) ? 60 : 600,
    handovers: some(0.25) ? random.int(1, 4) : 0,
    moves: some(0.15) ? random.int(1, 2) : 0,
  }
  // An agent that is put back, or lives twice, knows nothing of what its owner has asked of it since.
  const isOne = drawn.agentRestores === 0 && drawn.clones === 0 && drawn.moves === 0
  return {
    ...drawn,
    // A hub that is put back may have forgotten them.
    revocations: some(0.3) && drawn.hubRestores === 0 ? random.int(1, 3) : 0,
    tightAdmission: some(0.25),
    urgency: some(0.5),
    windowMax: some(0.5) ? random.int(1, 4) : 256,
    pauses: some(0.3) && isOne ? random.int(1, 3) : 0,
    purges: some(0.15) && isOne ? random.int(1, 3) : 0,
    retries: some(0.3) && isOne ? random.int(1, 3) : 0,
  }
}
