import type { HubTx } from './storage.ts'

/**
 * Removes messages that are older than anything may wait, out of the oldest so many; returns how many. One that still has
 * an entry stays until that is gone: its recipient would be told that somebody had deleted it.
 */
export async function sweepMessages(
  tx: HubTx,
  { ageMaxMs }: { readonly ageMaxMs: number },
  { now, countMax }: { readonly now: number; readonly countMax: number },
): Promise<number> {
  // Numbers rise with time, and within a stream with the position: so neither needs an index of its own.
  const { changes } = await tx.run(
    `DELETE FROM messages WHERE id IN (SELECT id FROM messages ORDER BY id LIMIT ?) AND created_at < ?
       AND id < coalesce(
         (SELECT message FROM entries WHERE ai_id = messages.recipient_id ORDER BY position LIMIT 1), id + 1)`,
    countMax,
    now - ageMaxMs,
  )
  return changes
}
