import type { Json } from '../json.ts'
import { nextCount } from '../store/counters.ts'
import type { Reader, Tx } from '../store/store.ts'
import { priorityOf, rankOf, type Priority } from './priority.ts'

/** The person at the terminal: a mailbox that `chat`, `send --wait` and `up` read, not an agent. */
export const terminal = 'you'

export interface NewOutgoing {
  /** Derived from the entry that the turn handles, so that a turn done again sends the same message. */
  readonly id: string
  readonly turn: number
  readonly to: string
  readonly conversation: string
  readonly content: Json
  readonly hops: number
  readonly inReplyTo: string | undefined
  /** Default `normal`. */
  readonly priority?: Priority
  /** How long it is good for, ms; without it, as long as the outbox keeps anything. */
  readonly ttlMs?: number
}

export interface Outgoing extends NewOutgoing {
  readonly sequence: number
  readonly attempts: number
  readonly createdAt: number
  /** Wall-clock ms. */
  readonly expiresAt: number | undefined
  /** It may be at its recipient. */
  readonly isUnderWay: boolean
  /** Why it has not arrived, as was noted last. */
  readonly error: string | undefined
}

/** What became of an attempt to deliver. `retry` keeps the message; the others settle it. */
export type Verdict =
  | { readonly verdict: 'delivered' }
  | { readonly verdict: 'refused'; readonly error: string }
  | {
      readonly verdict: 'retry'
      readonly error: string
      /** It may have arrived all the same: only the answer is missing. */
      readonly isOpen?: boolean
    }

/** A row of the outbox, as far as it is what its sender said, and what has become of it. */
export interface OutboxRow {
  readonly sequence: number
  readonly id: string
  readonly turn: number
  readonly recipient: string
  readonly conversation: string
  readonly content: string
  readonly hops: number
  readonly in_reply_to: string | null
  readonly attempts: number
  readonly created_at: number
  readonly priority: number
  readonly ttl_ms: number | null
  readonly expires_at: number | null
  readonly ordinal: number | null
  readonly error: string | null
}

/** The last number given towards a hub. */
export const seqCounter = 'outbox.seq'

/** Its place in the order in which messages are first on their way. */
export function nextOrdinal(tx: Tx): number {
  return nextCount(tx, 'outbox.ordinal')
}

/** The place of one that is to be on its way now: as it was, or the next. Undefined where it does not wait any more. */
export function placeUnderWay(tx: Tx, sequence: number): number | undefined {
  const row = tx.get<{ ordinal: number | null }>(
    "SELECT ordinal FROM outbox WHERE sequence = ? AND status = 'pending'",
    sequence,
  )
  return row === undefined ? undefined : (row.ordinal ?? nextOrdinal(tx))
}

/** `expiresAt`: wall-clock ms; without it, the message waits for ever. */
export function appendOutgoing(tx: Tx, message: NewOutgoing, now: number, expiresAt?: number): number {
  const sequence = nextCount(tx, 'outbox.sequence')
  const content = JSON.stringify(message.content)
  tx.run(
    `INSERT INTO outbox (sequence, id, turn, recipient, conversation, content, size_bytes, hops, in_reply_to, status,
       attempts, created_at, priority, ttl_ms, expires_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', 0, ?, ?, ?, ?)`,
    sequence,
    message.id,
    message.turn,
    message.to,
    message.conversation,
    content,
    Buffer.byteLength(content),
    message.hops,
    message.inReplyTo ?? null,
    now,
    rankOf(message.priority ?? 'normal'),
    message.ttlMs ?? null,
    message.to === terminal ? null : (expiresAt ?? null),
  )
  return sequence
}

export function readOutgoing(reader: Reader, sequence: number): Outgoing | undefined {
  const row = reader.get<OutboxRow>(
    "SELECT * FROM outbox WHERE sequence = ? AND status = 'pending'",
    sequence,
  )
  if (row === undefined) return undefined
  return toOutgoing(row)
}

/** What its sender said. */
export function saidIn(row: OutboxRow): NewOutgoing {
  return {
    id: row.id,
    turn: row.turn,
    to: row.recipient,
    conversation: row.conversation,
    content: JSON.parse(row.content) as Json,
    hops: row.hops,
    inReplyTo: row.in_reply_to ?? undefined,
    priority: priorityOf(row.priority),
    ...(row.ttl_ms !== null && { ttlMs: row.ttl_ms }),
  }
}

function toOutgoing(row: OutboxRow): Outgoing {
  return {
    ...saidIn(row),
    sequence: row.sequence,
    attempts: row.attempts,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    isUnderWay: row.ordinal !== null,
    error: row.error ?? undefined,
  }
}

export function settleOutgoing(
  tx: Tx,
  sequence: number,
  outcome: { readonly status: 'delivered' | 'refused'; readonly error?: string },
  now: number,
): void {
  // It went another way than through a hub, so no hub needs to have it again.
  tx.run(
    `UPDATE outbox SET status = ?, error = ?, settled_at = ?, attempts = attempts + 1, seq = NULL
     WHERE sequence = ? AND status = 'pending'`,
    outcome.status,
    outcome.error ?? null,
    now,
    sequence,
  )
}

/** Messages that the person at the terminal has read: all up to and including one, or those of one turn. */
export type TerminalRead = { readonly through: number } | { readonly turn: number }

export function settleTerminal(tx: Tx, read: TerminalRead, now: number): void {
  const condition = 'turn' in read ? 'turn = ?' : 'sequence <= ?'
  tx.run(
    `UPDATE outbox SET status = 'delivered', settled_at = ? WHERE recipient = ? AND status = 'pending' AND ${condition}`,
    now,
    terminal,
    'turn' in read ? read.turn : read.through,
  )
}

/** Keeps the terminal's mailbox within `keep` messages: the oldest unread ones expire, visibly. Returns how many did. */
export function expireTerminal(tx: Tx, keep: number, now: number): number {
  return tx.run(
    `UPDATE outbox SET status = 'expired', settled_at = ?, error = 'unread beyond the bound of the mailbox'
     WHERE sequence IN (SELECT sequence FROM outbox WHERE recipient = ? AND status = 'pending'
       ORDER BY sequence DESC LIMIT -1 OFFSET ?)`,
    now,
    terminal,
    keep,
  ).changes
}
