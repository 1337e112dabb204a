import type { Tx } from '../store/store.ts'

/*
 * A message that has not been on its way when its time is over expires here. One that has may be at its recipient, so it
 * goes on to a verdict; how long it is good for then, its hub is told.
 */

/** A message that will not arrive, and nobody but its sender was ever told of. */
export interface ExpiredMessage {
  readonly sequence: number
  readonly to: string
  readonly reason: string
  /** What it held of the outbox until now; undefined where the outbox had let go of it before. */
  readonly sizeBytes: number | undefined
}

export const expiredReason = 'it was not sent in time'

/** Expires what is due, the longest due first, at most so many; returns which. `except`: being handed over now. */
export function expireDue(
  tx: Tx,
  {
    now,
    countMax,
    except,
  }: { readonly now: number; readonly countMax: number; readonly except?: ReadonlySet<number> },
): ExpiredMessage[] {
  const due = tx.all<{ sequence: number }>(
    `SELECT sequence FROM outbox INDEXED BY outbox_expiry
     WHERE status = 'pending' AND ordinal IS NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?`,
    now,
    countMax,
  )
  return due
    .filter(({ sequence }) => except?.has(sequence) !== true)
    .map(({ sequence }) => expireWaiting(tx, sequence, expiredReason, now))
}

export function expireWaiting(tx: Tx, sequence: number, reason: string, now: number): ExpiredMessage {
  const row = tx.get<{ recipient: string; size_bytes: number }>(
    `UPDATE outbox SET status = 'expired', error = ?, settled_at = ? WHERE sequence = ?
     RETURNING recipient, size_bytes`,
    reason,
    now,
    sequence,
  ) as { recipient: string; size_bytes: number }
  return { sequence, to: row.recipient, reason, sizeBytes: row.size_bytes }
}

const unfetchedReason = 'nobody fetched it in time'

/**
 * The recipient's hub has given up a message that nobody fetched in time. Only from its recipient, and only what went to
 * it: whoever else says so is wrong. One whose verdict has not come yet, which may be later than this, expires with that.
 */
export function expireAccepted(
  tx: Tx,
  { id, recipient }: { readonly id: string; readonly recipient: string },
): ExpiredMessage | undefined {
  const row = tx.get<{ sequence: number; status: string }>(
    `UPDATE outbox SET error = ?, status = CASE status WHEN 'delivered' THEN 'expired' ELSE status END
     WHERE id = ? AND recipient = ? AND status IN ('delivered', 'pending') RETURNING sequence, status`,
    unfetchedReason,
    id,
    recipient,
  )
  if (row?.status !== 'expired') return undefined
  return { sequence: row.sequence, to: recipient, reason: unfetchedReason, sizeBytes: undefined }
}

/** What a message that the hub has accepted is called then: whether it is known by now that nobody fetched it. */
export function isGivenUp(error: string | null): error is string {
  return error === unfetchedReason
}
