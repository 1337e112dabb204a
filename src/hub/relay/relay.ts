import type { Clock } from '../../platform/clock.ts'
import type { Log } from '../../platform/log.ts'
import type { Random } from '../../platform/random.ts'
import type { Actor } from '../publishing.ts'
import type { HubParts } from '../parts.ts'
import type { HubStorage } from '../storage.ts'
import type { StreamLimits } from '../streams.ts'
import type { ActivityLimits } from './plain-activity.ts'
import type { SendQueues } from './send-queues.ts'
import type { Registry } from './registry.ts'
import type { TokenBuckets, Rate } from '../../platform/token-bucket.ts'

/** Who a token says is asking, and until when. */
export interface Authenticated extends Actor {
  readonly nickname: string
  readonly sid: string
  /** Wall-clock ms, as `Clock.now` has it. */
  readonly expiresAt: number
}

export interface RelayLimits {
  readonly frameBytesMax: number
  /** What an agent may have published beyond the last verdict. */
  readonly publishWindow: { readonly messages: number; readonly bytes: number }
  /**
   * How many an agent may publish, over resumable connections; beyond it they are answered `retry`. Default 1,000 a second
   * in the long run, and 5,000 at once; less than a window at once makes an agent send most of it several times.
   */
  readonly publishRate: Rate
  readonly heartbeatMs: number
  /** Silence after which a peer counts as gone. */
  readonly silenceMs: number
  /** How long a holder has to answer before another instance may take its place. */
  readonly probeMs: number
  /** From the upgrade to `resume`. */
  readonly handshakeMs: number
  /** How long a connection outlives its token. */
  readonly tokenGraceMs: number
}

export const defaultRelayLimits: RelayLimits = {
  frameBytesMax: 4 * 1024 * 1024,
  publishWindow: { messages: 512, bytes: 8 * 1024 * 1024 },
  publishRate: { perSecond: 1_000, burst: 5_000 },
  heartbeatMs: 20_000,
  silenceMs: 30_000,
  probeMs: 2_000,
  handshakeMs: 10_000,
  tokenGraceMs: 30_000,
}

/** What the connections of a hub share. */
export interface Relay {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly storage: HubStorage
  readonly registry: Registry
  readonly parts: HubParts
  readonly limits: RelayLimits
  /** Of agents, and not of their connections: to connect anew gives nobody another burst. */
  readonly publishRates: TokenBuckets<number>
  readonly streamLimits: StreamLimits
  /** Of clients of v1. */
  readonly activity: ActivityLimits
  /** What is on its way to all peers together. */
  readonly sendQueues: SendQueues
  readonly nodeId: string
  /** Wall-clock ms, no later than it can be: what is due by it is over. */
  dueBy(): number
  /** Rejects with ERR_TOKEN and its kin, or with ERR_HUB_STORAGE where nobody can tell. */
  authenticate(token: string): Promise<Authenticated>
  /** Rejects likewise where the login that a connection came with is one no more. */
  revalidate(who: Pick<Authenticated, 'aiId' | 'sid'>): Promise<void>
}
