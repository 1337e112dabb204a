import { tellSender } from './expired-report.ts'
import type { HubTx } from './storage.ts'

/*
 * A message that its sender says is good for a while only is either fetched or given up, and each in a transaction: so who is
 * told that nobody fetched it can rely on that.
 */

interface PassingEntry {
  readonly ai_id: number
  readonly position: number
  readonly message: number
  readonly size_bytes: number
  readonly expires_at: number
}

const passing = 'expires_at IS NOT NULL AND fetched_at IS NULL AND expired_at IS NULL'

/** Notes that these entries of an agent's stream are on their way to it. Returns the positions of those that are over. */
export async function fetchEntries(
  tx: HubTx,
  aiId: number,
  positions: readonly number[],
  now: number,
): Promise<ReadonlySet<number>> {
  const over = new Set<number>()
  for (const position of positions) {
    const entry = await tx.get<PassingEntry & { readonly expired_at: number | null }>(
      `SELECT ai_id, position, message, size_bytes, expires_at, expired_at FROM entries
       WHERE ai_id = ? AND position = ? AND fetched_at IS NULL`,
      aiId,
      position,
    )
    if (entry === undefined) continue
    if (entry.expired_at === null && entry.expires_at > now) {
      await noteFetched(tx, entry, now)
    } else {
      if (entry.expired_at === null) await giveUp(tx, entry, now)
      over.add(position)
    }
  }
  return over
}

/** Gives up what nobody has fetched in time, at most so many; returns how many were looked at. */
export async function expireEntries(
  tx: HubTx,
  { now, countMax }: { readonly now: number; readonly countMax: number },
): Promise<number> {
  const due = await tx.all<
    PassingEntry & { readonly acked_at: number | null; readonly status: string | null }
  >(
    `SELECT ai_id, position, message, size_bytes, expires_at, acked_at, status
     FROM entries LEFT JOIN messages ON messages.id = entries.message
     WHERE ${passing} AND expires_at <= ? ORDER BY expires_at LIMIT ?`,
    now,
    countMax,
  )
  for (const entry of due) {
    // A client without a session acknowledges nothing, but it may say that it has read a message.
    if (entry.acked_at === null && entry.status !== 'read') await giveUp(tx, entry, now)
    else await noteFetched(tx, entry, now)
  }
  return due.length
}

/**
 * Gives up what was over when an agent says that it has passed it, and was not noted to be fetched. Such a thing is never sent,
 * so the hub was put back, and has forgotten which of both came of it: if it was given up, nobody else tells its sender.
 */
export async function giveUpPassed(
  tx: HubTx,
  aiId: number,
  { from, to, now }: { readonly from: number; readonly to: number; readonly now: number },
): Promise<void> {
  const passed = await tx.all<PassingEntry>(
    `SELECT ai_id, position, message, size_bytes, expires_at
     FROM entries JOIN messages ON messages.id = entries.message
     WHERE ai_id = ? AND position > ? AND position <= ? AND ${passing} AND expires_at <= ? AND acked_at IS NULL
       AND status <> 'read' ORDER BY position`,
    aiId,
    from,
    to,
    now,
  )
  for (const entry of passed) await giveUp(tx, entry, now)
}

/** Reports once more what was given up of a message. */
export async function tellAgain(tx: HubTx, senderId: number, id: string, now: number): Promise<void> {
  const given = await tx.all<{ id: number }>(
    `SELECT messages.id FROM messages JOIN entries ON entries.ai_id = recipient_id AND entries.message = messages.id
     WHERE messages.message_id = ? AND sender_id = ? AND expired_at IS NOT NULL`,
    id,
    senderId,
  )
  for (const message of given) await tellSender(tx, message.id, now, { again: true })
}

async function noteFetched(tx: HubTx, { ai_id: aiId, position }: PassingEntry, now: number): Promise<void> {
  await tx.run('UPDATE entries SET fetched_at = ? WHERE ai_id = ? AND position = ?', now, aiId, position)
}

/** It keeps its place, which the reader passes over, and holds no room any more. */
async function giveUp(tx: HubTx, entry: PassingEntry, now: number): Promise<void> {
  const { ai_id: aiId, position, message, size_bytes: sizeBytes } = entry
  await tellSender(tx, message, now)
  await tx.run(
    'UPDATE entries SET expired_at = ?, acked_at = ? WHERE ai_id = ? AND position = ?',
    now,
    now,
    aiId,
    position,
  )
  await tx.run(
    'UPDATE streams SET waiting_count = waiting_count - 1, waiting_bytes = waiting_bytes - ? WHERE ai_id = ?',
    sizeBytes,
    aiId,
  )
  await tx.run('UPDATE messages SET deleted_at = ? WHERE id = ? AND deleted_at IS NULL', now, message)
}
