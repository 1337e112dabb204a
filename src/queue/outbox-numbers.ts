import type { Reader, Tx } from '../store/store.ts'
import { readCount, setCount } from '../store/counters.ts'
import { seqCounter, terminal } from './outbox.ts'

/*
 * The outbox as its hub sees it: every message has a number, rising by one without holes, until the hub begins another
 * numbering. A number's verdict settles it.
 */

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
}

/** The number that the next message will get. */
export function nextSeq(reader: Reader): number {
  return readCount(reader, seqCounter) + 1
}

/** Messages without a verdict from `seq` on, in order. */
export function pendingFrom(reader: Reader, seq: number, countMax: number): NumberedMessage[] {
  return reader.all<NumberedMessage>(
    `SELECT seq, id, recipient, conversation, content, hops, in_reply_to, again FROM outbox
     WHERE seq >= ? AND seq > 0 AND status = 'pending' ORDER BY seq LIMIT ?`,
    seq,
    countMax,
  )
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

/** Returns what was settled by it; nothing where that had happened before. */
export function settleNumber(tx: Tx, verdict: NumberVerdict, now: number): SettledMessage | undefined {
  const { seq, id, error, hub } = verdict
  const row = tx.get<{ sequence: number; recipient: string; size_bytes: number }>(
    `UPDATE outbox SET status = ?, error = ?, settled_at = ?, attempts = attempts + 1, accepted_by = ?
     WHERE seq = ? AND id = ? AND status = 'pending' RETURNING sequence, recipient, size_bytes`,
    error === undefined ? 'delivered' : 'refused',
    error ?? null,
    now,
    error === undefined ? hub : null,
    seq,
    id,
  )
  if (row === undefined) return undefined
  return { sequence: row.sequence, to: row.recipient, sizeBytes: row.size_bytes, error }
}

/**
 * Numbers everything pending anew from 1, in its old order, each message keeping its id. What the hub `rewound` has
 * accepted and is still kept here becomes pending again: that hub may have lost it, and where it has not, it knows it by
 * its id. What another hub accepted is none of its business. No clock is asked how old it is, since a wrong one would lose
 * messages. Returns the sizes of what became pending.
 */
export function renumberPending(tx: Tx, rewound: string | undefined): number[] {
  const again =
    rewound === undefined
      ? []
      : tx.all<{ size_bytes: number }>(
          `UPDATE outbox SET status = 'pending', settled_at = NULL, accepted_by = NULL
           WHERE status = 'delivered' AND accepted_by = ? RETURNING size_bytes`,
          rewound,
        )
  // What is pending may have been accepted as well, and only its verdict been lost.
  if (rewound !== undefined)
    tx.run("UPDATE outbox SET again = 1 WHERE status = 'pending' AND seq IS NOT NULL")
  // 0: it has gone to a hub, under a number that means nothing any more.
  tx.run('UPDATE outbox SET seq = 0 WHERE seq IS NOT NULL')
  const pending = tx.all<{ sequence: number }>(
    "SELECT sequence FROM outbox WHERE status = 'pending' AND recipient <> ? ORDER BY sequence",
    terminal,
  )
  for (const [index, { sequence }] of pending.entries()) {
    tx.run('UPDATE outbox SET seq = ? WHERE sequence = ?', index + 1, sequence)
  }
  setCount(tx, seqCounter, pending.length)
  return again.map(({ size_bytes: sizeBytes }) => sizeBytes)
}

/**
 * The recipient's hub has given up a message that nobody fetched in time. Only from its recipient, and only what went to
 * it: whoever else says so is wrong. Returns which it was.
 */
export function expireAccepted(
  tx: Tx,
  { id, recipient }: { readonly id: string; readonly recipient: string },
): number | undefined {
  return tx.get<{ sequence: number }>(
    `UPDATE outbox SET status = 'expired', error = 'nobody fetched it in time'
     WHERE id = ? AND recipient = ? AND status = 'delivered' RETURNING sequence`,
    id,
    recipient,
  )?.sequence
}
