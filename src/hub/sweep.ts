import { expiredType } from '../protocol/frames.ts'
import type { HubTx } from './storage.ts'
import { advanceAcked, appendEntry, markOf, readStream, type StreamLimits } from './streams.ts'

/**
 * Raises floors over what has been acknowledged long enough ago, and over what has waited too long. Only from the
 * floor on, so that between floor and top there is never a hole. Returns how many entries went.
 */
export async function sweepStreams(
  tx: HubTx,
  limits: StreamLimits,
  { now, countMax }: { readonly now: number; readonly countMax: number },
): Promise<number> {
  // Asked of the entry above the floor: others may be old, but wait behind one that must stay, and would crowd out those
  // where something can go.
  const oldest = await tx.all<{ ai_id: number }>(
    `SELECT streams.ai_id FROM streams JOIN entries ON entries.ai_id = streams.ai_id AND position = floor + 1
     WHERE appended_at < ? OR (acked_at < ? AND position <= acked) LIMIT 100`,
    now - limits.ageMaxMs,
    now - limits.rewindMs,
  )
  let swept = 0
  for (const { ai_id: aiId } of oldest) {
    if (swept >= countMax) break
    swept += await sweepStream(tx, limits, aiId, { now, countMax: countMax - swept })
  }
  return swept
}

async function sweepStream(
  tx: HubTx,
  limits: StreamLimits,
  aiId: number,
  { now, countMax }: { readonly now: number; readonly countMax: number },
): Promise<number> {
  const rows = await tx.all<{
    position: number
    message: number
    appended_at: number
    acked_at: number | null
  }>(
    'SELECT position, message, appended_at, acked_at FROM entries WHERE ai_id = ? ORDER BY position LIMIT ?',
    aiId,
    countMax,
  )
  const { acked } = await readStream(tx, aiId)
  const isOld = ({ position, appended_at: appendedAt, acked_at: ackedAt }: (typeof rows)[number]): boolean =>
    appendedAt < now - limits.ageMaxMs ||
    (position <= acked && ackedAt !== null && ackedAt < now - limits.rewindMs)
  const firstKept = rows.findIndex((row) => !isOld(row))
  const last = firstKept === -1 ? rows.at(-1) : rows[firstKept - 1]
  if (last === undefined) return 0
  if (last.position > acked) {
    const unread = rows.filter(({ position, acked_at: at }) => position <= last.position && at === null)
    for (const { message } of unread) await tellSender(tx, message, now)
    await advanceAcked(tx, aiId, { from: acked, to: last.position, now })
  }
  await tx.run('DELETE FROM entries WHERE ai_id = ? AND position <= ?', aiId, last.position)
  await tx.run(
    'UPDATE streams SET floor = ?, floor_id = ? WHERE ai_id = ?',
    last.position,
    markOf(last),
    aiId,
  )
  return firstKept === -1 ? rows.length : firstKept
}

/** Where there is no bound: one report a message, and none of a report. */
const noBounds = { waitingMax: Number.MAX_SAFE_INTEGER, waitingBytesMax: Number.MAX_SAFE_INTEGER }

interface UnreadMessage {
  readonly id: number
  readonly message_id: string
  readonly sender_id: number
  readonly recipient_id: number
  readonly message_type: string
}

/** Reports a message that nobody has fetched in time to who sent it, if that is an agent with a session. */
async function tellSender(tx: HubTx, message: number, now: number): Promise<void> {
  const row = await tx.get<UnreadMessage>(
    `SELECT id, message_id, sender_id, recipient_id, message_type FROM messages
     WHERE id = ? AND deleted_at IS NULL AND sender_id IN (SELECT ai_id FROM holders)`,
    message,
  )
  if (row === undefined || row.message_type === expiredType) return
  const messageId = `expired.${row.id}`
  const content = JSON.stringify({ message_id: row.message_id })
  await appendEntry(tx, noBounds, row.sender_id, { messageId, sizeBytes: content.length, now }, async () => {
    const inserted = await tx.get<{ id: number }>(
      `INSERT INTO messages (message_id, sender_id, recipient_id, content, message_type, status, created_at)
       VALUES (?, ?, ?, ?, ?, 'unread', ?) RETURNING id`,
      messageId,
      row.recipient_id,
      row.sender_id,
      content,
      expiredType,
      now,
    )
    return (inserted as { id: number }).id
  })
}
