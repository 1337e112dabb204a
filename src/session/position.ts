import type { Json, JsonObject } from '../json.ts'
import type { ReadyReason } from '../protocol/frames.ts'

/** Where the agent stands with its hub, as it is on its disk. */
export interface SessionPosition {
  readonly sessionIdentifier: string | undefined
  /** The fencing number that the hub gave last; 0 before the first. */
  readonly generation: number
  /** Goes with `resume`; drawn anew whenever a generation has been stored. */
  readonly claim: string
  /** The how manyth process of those that ask with the claim this one is. */
  readonly start: number
  /** The session is to be taken from whichever process has it, as a person could ask for: see `resume.takeover`. */
  readonly takeover?: boolean
  readonly rx:
    | { readonly epoch: string; readonly offset: number; readonly lastId: string | undefined }
    | undefined
  readonly tx:
    | {
        readonly producerEpoch: string
        readonly nextSeq: number
        readonly lastAcked: { readonly seq: number; readonly id: string } | undefined
      }
    | undefined
}

/** What the hub decided about a `resume`. */
export interface Begun {
  readonly reason: ReadyReason
  readonly sessionIdentifier: string
  readonly generation: number
  readonly streamEpoch: string
  /** The offset that comes first. */
  readonly next: number
  readonly producerEpoch: string
}

/** A message as it came from the hub. */
export interface Incoming {
  readonly offset: number
  readonly id: string
  readonly senderName: string
  /** What the hub reports to the agent itself has one of its own, such as `expired`; undefined at servers that have none. */
  readonly type?: string
  readonly conversation: string | undefined
  readonly content: Json
  readonly metadata: JsonObject | undefined
}

/** What came in order: messages, and where the reader stands after them. Without messages where there was a gap. */
export interface IncomingPage {
  readonly epoch: string
  /** The offset that the reader must stand at for the page to be what comes next. */
  readonly after: number
  readonly messages: readonly Incoming[]
  readonly through: { readonly offset: number; readonly id: string }
}

/** A committed message on its way to the hub. */
export interface Outbound {
  readonly seq: number
  readonly id: string
  readonly recipient: string
  readonly conversation: string
  readonly content: Json
  readonly hops: number
  readonly inReplyTo: string | undefined
  /** The hub accepted it once, and may have lost it since. */
  readonly again: boolean
  /** How long it is good for from now on, ms. */
  readonly ttlMs?: number
}

export type SettledVerdict =
  | { readonly seq: number; readonly id: string; readonly result: 'ok' }
  | { readonly seq: number; readonly id: string; readonly result: 'refused'; readonly error: string }

/**
 * The agent's store, as its session needs it. Every promise resolves when what it says is on disk, and only then: the
 * session acknowledges, publishes and counts on nothing else.
 */
export interface SessionStore {
  position(): SessionPosition
  /**
   * Notes the hub's decision. Where the producer epoch is another one, whatever was on its way is numbered anew from 1, each
   * message keeping its id; after `hub_rewound`, what was acknowledged lately too, since the hub may have lost it.
   */
  begin(begun: Begun): Promise<void>
  /** Takes messages in and moves the position, in one transaction. ERR_INBOX_FULL where there is no room for them. */
  accept(page: IncomingPage): Promise<void>
  /** Messages with a number and without a verdict from `seq` on, in order. */
  pending(seq: number, countMax: number): readonly Outbound[]
  /** Notes verdicts, which come in the order of their numbers; what they made room for gets a number with them. */
  settle(verdicts: readonly SettledVerdict[]): Promise<void>
  /** The numbers here do not fit those at the hub: the next `resume` asks for new ones. */
  forgetNumbering(): Promise<void>
  /** The connection is over: nothing gets a number before the next has begun. */
  disconnected(): void
}
