import type { Json } from '../json.ts'
import type { Incoming } from './position.ts'

/**
 * How far the inbox at a plain v1 server has been taken in: the highest number and the latest time of all that was. A
 * message is new when it is beyond either. Numbers alone would hide what comes after the server's database was put back
 * to an earlier state, times alone what comes after its clock was; only both at once can hide a message.
 */
export interface Mark {
  /** The server's `id`; 0 before the first. */
  readonly number: number
  /** `created_at` in microseconds by the server's clock. */
  readonly timeUs: number
}

/** A committed message on its way to a plain v1 server. */
export interface PlainOutbound {
  /** Its place in the outbox. */
  readonly sequence: number
  readonly id: string
  readonly recipient: string
  readonly conversation: string
  readonly content: Json
  readonly hops: number
  readonly inReplyTo: string | undefined
  /** A server has been asked to take it, and may have done so. */
  readonly asked: boolean
}

export type PlainVerdict =
  | {
      readonly result: 'ok'
      /** The server's number of it. */
      readonly number: number
    }
  | { readonly result: 'refused'; readonly error: string }

/** The agent's store, as its work with a plain v1 server needs it. Promises resolve when what they say is on disk. */
export interface PlainStore {
  mark(): Mark
  /** Takes messages in and moves the mark, in one transaction. ERR_INBOX_FULL where there is no room for them. */
  accept(messages: readonly Incoming[], mark: Mark): Promise<void>
  /** The message that goes next. */
  next(): PlainOutbound | undefined
  /** The server's number below which nothing can be that is still unsettled here; undefined before the first. */
  sentNumber(): number | undefined
  /** Notes that the server is about to be asked: from then on it is looked for before it is sent. False: it has expired. */
  ask(sequence: number, sentNumber: number): Promise<boolean>
  settle(sequence: number, verdict: PlainVerdict): Promise<void>
}
