import type { Reader, Tx } from '../store/store.ts'
import { placeUnderWay, terminal } from './outbox.ts'

/*
 * The outbox of an agent without a hub, as it goes straight to the recipients. One that may have arrived is under way: it
 * goes on to the end, before anything else to the same recipient, and does not expire.
 */

/** Agents for whom there is something to be sent. */
export function recipientsWaiting(reader: Reader): string[] {
  return reader
    .all<{ recipient: string }>(
      "SELECT DISTINCT recipient FROM outbox INDEXED BY outbox_pending WHERE status = 'pending' AND recipient <> ?",
      terminal,
    )
    .map(({ recipient }) => recipient)
}

/** The one that was on its way to this recipient first. */
export function underWayTo(reader: Reader, to: string): number | undefined {
  return reader.get<{ sequence: number }>(
    `SELECT sequence FROM outbox INDEXED BY outbox_way
     WHERE status = 'pending' AND ordinal IS NOT NULL AND recipient = ? ORDER BY ordinal LIMIT 1`,
    to,
  )?.sequence
}

/** It may have arrived from now on. False where it does not wait any more. */
export function markTried(tx: Tx, sequence: number, error: string | undefined): boolean {
  const ordinal = placeUnderWay(tx, sequence)
  if (ordinal === undefined) return false
  tx.run('UPDATE outbox SET ordinal = ?, error = ? WHERE sequence = ?', ordinal, error ?? null, sequence)
  return true
}

/** It has certainly not arrived: it waits again like one that was never tried. */
export function unmarkTried(tx: Tx, sequence: number, error: string): void {
  tx.run(
    "UPDATE outbox SET ordinal = NULL, error = ? WHERE sequence = ? AND status = 'pending'",
    error,
    sequence,
  )
}
