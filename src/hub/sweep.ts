import { tellSender } from './expired-report.ts'
import type { HubTx } from './storage.ts'
import { advanceAcked, markOf, readStream, type StreamLimits } from './streams.ts'

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
