import { nextCount, readCount, setCount } from '../store/counters.ts'
import type { Reader, Tx } from '../store/store.ts'
import { expiredReason, expireWaiting, isGivenUp, type ExpiredMessage } from './outbox-expiry.ts'
import type { nextWaiting } from './outbox-line.ts'
import { nextOrdinal, seqCounter } from './outbox.ts'

/*
 * The outbox as its hub sees it. A message gets its number when it is about to be published: so what is urgent can go
 * before what was committed earlier, and what has a number goes through to a verdict, in order. Numbers rise by one without
 * holes, until the hub begins another numbering; then whatever had a number and has no verdict gets another one, in the old
 * order and before everything else, but no sooner than it is its turn: so that nothing here is ever done to all at once.
 */

const numberingCounter = 'outbox.numbering'

export interface NumberedMessage {
  readonly seq: number
  readonly id: string
  readonly recipient: string
  readonly conversation: string
  readonly content: string
  readonly hops: number
  readonly in_reply_to: string | null
  /** 1: the hub may have accepted it before it was put back. */
  readonly again: number
  readonly ttl_ms: number | null
  readonly expires_at: number | null
}

/** The number that the next message will get. */
export function nextSeq(reader: Reader): number {
  return readCount(reader, seqCounter) + 1
}

/** Messages without a verdict from `seq` on, in order: so many, or as many as have so many bytes, and one at least. */
export function pendingFrom(
  reader: Reader,
  seq: number,
  { countMax, bytesMax }: { readonly countMax: number; readonly bytesMax: number },
): NumberedMessage[] {
  const numbering = readCount(reader, numberingCounter)
  const from = `FROM outbox INDEXED BY outbox_numbered
    WHERE status = 'pending' AND ordinal IS NOT NULL AND numbering = ? AND seq >= ?`
  const sizes = reader.all<{ seq: number; size_bytes: number }>(
    `SELECT seq, size_bytes ${from} ORDER BY seq LIMIT ?`,
    numbering,
    seq,
    countMax,
  )
  if (sizes.length === 0) return []
  return reader.all<NumberedMessage>(
    `SELECT seq, id, recipient, conversation, content, hops, in_reply_to, again, ttl_ms, expires_at ${from}
     ORDER BY seq LIMIT ?`,
    numbering,
    seq,
    within(
      sizes.map(({ size_bytes: size }) => size),
      bytesMax,
    ),
  )
}

/** How many of the first have so many bytes together; one at least, where there are any. */
function within(sizes: readonly number[], bytesMax: number): number {
  let bytes = 0
  const over = sizes.findIndex((size, index) => (bytes += size) > bytesMax && index > 0)
  return over === -1 ? sizes.length : over
}

/**
 * Begins a numbering from 1. What the hub `rewound` has accepted and is still kept here goes to it once more: that hub may
 * have lost it, and where it has not, it knows it by its id. What another hub accepted is none of its business. No clock is
 * asked how old it is, since a wrong one would lose messages.
 */
export function beginNumbering(tx: Tx, rewound: string | undefined): void {
  const numbering = nextCount(tx, numberingCounter)
  setCount(tx, seqCounter, 0)
  if (rewound === undefined) return
  tx.run('UPDATE session SET again_below = ?, again_after = 0 WHERE hub = ?', numbering, rewound)
}

export interface Given {
  /** Sizes of what had been accepted, and is pending again. */
  readonly again: readonly number[]
  /** What would have been next, and was too late. */
  readonly expired: readonly ExpiredMessage[]
}

export interface Numbering {
  readonly hub: string
  /** Wall-clock ms, no later than it can be. */
  readonly now: number
  readonly next: typeof nextWaiting
  /** Messages with a number and without a verdict: what may be on its way at a time. */
  readonly windowMax: number
}

/** Gives numbers to what goes next, as far as there is room on the way. */
export function giveNumbers(tx: Tx, { hub, now, next, windowMax }: Numbering): Given {
  const numbering = readCount(tx, numberingCounter)
  const before = readCount(tx, seqCounter)
  let seq = before
  const end = seq + roomOf(tx, { numbering, seq, windowMax })
  const again: number[] = []
  const expired: ExpiredMessage[] = []
  if (seq < end) {
    for (const message of earlier(tx, { hub, numbering, countMax: end - seq })) {
      seq += 1
      if (message.accepted) again.push(message.size_bytes)
      tx.run(
        `UPDATE outbox SET status = 'pending', settled_at = NULL, accepted_by = NULL, seq = ?, numbering = ?, again = ?
         WHERE sequence = ?`,
        seq,
        numbering,
        message.again,
        message.sequence,
      )
    }
  }
  while (seq < end) {
    const waiting = next(tx, { turn: seq + 1 })
    if (waiting === undefined) break
    if (waiting.expires_at !== null && waiting.expires_at <= now) {
      expired.push(expireWaiting(tx, waiting.sequence, expiredReason, now))
      continue
    }
    seq += 1
    tx.run(
      'UPDATE outbox SET seq = ?, numbering = ?, ordinal = ? WHERE sequence = ?',
      seq,
      numbering,
      nextOrdinal(tx),
      waiting.sequence,
    )
  }
  if (seq !== before) setCount(tx, seqCounter, seq)
  return { again, expired }
}

/** Verdicts come in order, so from the first without one to the last number it is all on its way. */
function roomOf(
  tx: Tx,
  {
    numbering,
    seq,
    windowMax,
  }: { readonly numbering: number; readonly seq: number; readonly windowMax: number },
): number {
  const first = tx.get<{ seq: number }>(
    `SELECT seq FROM outbox INDEXED BY outbox_numbered
     WHERE status = 'pending' AND ordinal IS NOT NULL AND numbering = ? ORDER BY seq LIMIT 1`,
    numbering,
  )
  return Math.max(0, windowMax - (first === undefined ? 0 : seq - first.seq + 1))
}

interface Earlier {
  readonly sequence: number
  readonly ordinal: number
  readonly size_bytes: number
  readonly again: number
  /** It had a verdict, which its hub may have forgotten. */
  readonly accepted: boolean
}

/** What was on its way under an earlier numbering, in the order in which it first was. */
function earlier(
  tx: Tx,
  {
    hub,
    numbering,
    countMax,
  }: { readonly hub: string; readonly numbering: number; readonly countMax: number },
): Earlier[] {
  const rewind = tx.get<{ again_below: number | null; again_after: number }>(
    'SELECT again_below, again_after FROM session WHERE hub = ?',
    hub,
  )
  const againBelow = rewind?.again_below ?? 0
  const pending = tx.all<Omit<Earlier, 'accepted'> & { readonly numbering: number }>(
    `SELECT sequence, ordinal, size_bytes, again, numbering FROM outbox INDEXED BY outbox_numbered
     WHERE status = 'pending' AND ordinal IS NOT NULL AND numbering < ? ORDER BY ordinal LIMIT ?`,
    numbering,
    countMax,
  )
  // What is pending may have been accepted as well, and only its verdict been lost.
  const rest = pending.map((row) => ({
    ...row,
    again: row.numbering < againBelow ? 1 : row.again,
    accepted: false,
  }))
  if (againBelow === 0) return rest
  const lost = acceptedBefore(tx, { hub, below: againBelow, after: rewind?.again_after ?? 0, countMax })
  const merged = [...rest, ...lost].toSorted((a, b) => a.ordinal - b.ordinal).slice(0, countMax)
  const last = merged.findLast(({ accepted }) => accepted)
  if (last !== undefined) tx.run('UPDATE session SET again_after = ? WHERE hub = ?', last.ordinal, hub)
  // What is pending beyond this page may have been accepted as well.
  else if (lost.length === 0 && pending.length < countMax)
    tx.run('UPDATE session SET again_below = NULL WHERE hub = ?', hub)
  return merged
}

function acceptedBefore(
  tx: Tx,
  {
    hub,
    below,
    after,
    countMax,
  }: { readonly hub: string; readonly below: number; readonly after: number; readonly countMax: number },
): Earlier[] {
  return tx
    .all<{ sequence: number; ordinal: number; size_bytes: number }>(
      `SELECT sequence, ordinal, size_bytes FROM outbox INDEXED BY outbox_accepted
       WHERE status = 'delivered' AND accepted_by = ? AND ordinal > ? AND numbering < ? ORDER BY ordinal LIMIT ?`,
      hub,
      after,
      below,
      countMax,
    )
    .map((row) => ({ ...row, again: 1, accepted: true }))
}

export interface NumberVerdict {
  readonly seq: number
  /** A number may have been given anew since: it settles only what was published under it. */
  readonly id: string
  readonly error: string | undefined
  /** Whose verdict it is: the agent's place there. */
  readonly hub: string
}

export interface SettledMessage {
  readonly sequence: number
  readonly to: string
  readonly sizeBytes: number
  readonly error: string | undefined
}

/** Returns what was settled by it, or what had been given up before; nothing where that had happened before. */
export function settleNumber(
  tx: Tx,
  verdict: NumberVerdict,
  now: number,
): SettledMessage | ExpiredMessage | undefined {
  const { seq, id, error, hub } = verdict
  const row = tx.get<{ sequence: number; recipient: string; size_bytes: number; error: string | null }>(
    `SELECT sequence, recipient, size_bytes, error FROM outbox INDEXED BY outbox_numbered
     WHERE status = 'pending' AND ordinal IS NOT NULL AND numbering = ? AND seq = ? AND id = ?`,
    readCount(tx, numberingCounter),
    seq,
    id,
  )
  if (row === undefined) return undefined
  const { sequence, recipient: to, size_bytes: sizeBytes } = row
  const reason = error === undefined && isGivenUp(row.error) ? row.error : undefined
  const accepted = reason === undefined ? 'delivered' : 'expired'
  tx.run(
    `UPDATE outbox SET status = ?, error = ?, settled_at = ?, attempts = attempts + 1, accepted_by = ?
     WHERE sequence = ?`,
    error === undefined ? accepted : 'refused',
    error ?? reason ?? null,
    now,
    error === undefined ? hub : null,
    sequence,
  )
  return reason === undefined ? { sequence, to, sizeBytes, error } : { sequence, to, sizeBytes, reason }
}
