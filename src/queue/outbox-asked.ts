import type { Json } from '../json.ts'
import type { Reader, Tx } from '../store/store.ts'
import type { SettledMessage } from './outbox-numbers.ts'
import type { nextWaiting } from './outbox-line.ts'
import { placeUnderWay } from './outbox.ts'

/*
 * The outbox as it goes to a server that knows no repeats: one message at a time, and whether the server has been asked to
 * take it is noted before it is.
 */

export interface AskedMessage {
  readonly sequence: number
  readonly id: string
  readonly recipient: string
  readonly conversation: string
  readonly content: Json
  readonly hops: number
  readonly inReplyTo: string | undefined
  readonly asked: boolean
}

interface AskedRow {
  readonly sequence: number
  readonly id: string
  readonly recipient: string
  readonly conversation: string
  readonly content: string
  readonly hops: number
  readonly in_reply_to: string | null
  readonly asked_at: number | null
}

/**
 * The message to an agent that goes next: what has been on its way before anything else, since it may have arrived. `turn`:
 * which one it is of all that go, from 1.
 */
export function firstPending(
  reader: Reader,
  next: typeof nextWaiting,
  turn: number,
): AskedMessage | undefined {
  const sequence =
    reader.get<{ sequence: number }>(
      `SELECT sequence FROM outbox INDEXED BY outbox_numbered
       WHERE status = 'pending' AND ordinal IS NOT NULL ORDER BY ordinal LIMIT 1`,
    )?.sequence ?? next(reader, { turn })?.sequence
  if (sequence === undefined) return undefined
  const row = reader.get<AskedRow>(
    `SELECT sequence, id, recipient, conversation, content, hops, in_reply_to, asked_at FROM outbox WHERE sequence = ?`,
    sequence,
  ) as AskedRow
  const { id, recipient, conversation, hops } = row
  return {
    sequence,
    id,
    recipient,
    conversation,
    content: JSON.parse(row.content) as Json,
    hops,
    inReplyTo: row.in_reply_to ?? undefined,
    asked: row.asked_at !== null,
  }
}

/** False where it does not wait any more: it has expired since. */
export function markAsked(tx: Tx, sequence: number, now: number): boolean {
  const ordinal = placeUnderWay(tx, sequence)
  if (ordinal === undefined) return false
  tx.run('UPDATE outbox SET asked_at = ?, ordinal = ? WHERE sequence = ?', now, ordinal, sequence)
  return true
}

/** Returns what was settled by it. It has no number towards a hub any more: no hub needs to have it again. */
export function settleAsked(
  tx: Tx,
  sequence: number,
  error: string | undefined,
  now: number,
): SettledMessage | undefined {
  const row = tx.get<{ recipient: string; size_bytes: number }>(
    `UPDATE outbox SET status = ?, error = ?, settled_at = ?, attempts = attempts + 1, seq = NULL
     WHERE sequence = ? AND status = 'pending' RETURNING recipient, size_bytes`,
    error === undefined ? 'delivered' : 'refused',
    error ?? null,
    now,
    sequence,
  )
  if (row === undefined) return undefined
  return { sequence, to: row.recipient, sizeBytes: row.size_bytes, error }
}
