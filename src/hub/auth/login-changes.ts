import type { HubReader, HubTx } from '../storage.ts'

/** What somebody may remember of a login holds no more: of one login, or, without `sid`, of all of an agent. */
export interface LoginChange {
  readonly aiId: number
  readonly sid: string | undefined
}

/** Kept for hubs that look a little late; one that looks later forgets all that it remembers. */
const changesKept = 10_000

/**
 * Tells every hub on this database, within a second or so, to look at a login again. Comes in the transaction that revokes
 * it. The counter's row is locked until the end of that, so that no number becomes visible after a higher one.
 */
export async function noteLoginChange(tx: HubTx, { aiId, sid }: LoginChange): Promise<void> {
  const row = await tx.get<{ value: number }>(
    "UPDATE counters SET value = value + 1 WHERE name = 'login_changes' RETURNING value",
  )
  const { value: revision } = row as { value: number }
  await tx.run(
    'INSERT INTO login_changes (revision, ai_id, sid) VALUES (?, ?, ?)',
    revision,
    aiId,
    sid ?? null,
  )
  await tx.run('DELETE FROM login_changes WHERE revision <= ?', revision - changesKept)
}

/** Where the changes stand now. */
export async function readLoginRevision(reader: HubReader): Promise<number> {
  const row = await reader.get<{ revision: number }>('SELECT max(revision) AS revision FROM login_changes')
  return (row as { revision: number }).revision
}

export interface LoginChanges {
  /** Undefined where nobody knows any more what has changed: then everything may have. */
  readonly changes: readonly LoginChange[] | undefined
  readonly revision: number
}

const pageMax = 1_000

/** What has changed since a revision, in one query; after so many rows the rest waits for the next one. */
export async function readLoginChanges(reader: HubReader, after: number): Promise<LoginChanges> {
  const rows = await reader.all<{ revision: number; ai_id: number; sid: string | null }>(
    'SELECT revision, ai_id, sid FROM login_changes WHERE revision >= ? ORDER BY revision LIMIT ?',
    after,
    pageMax + 1,
  )
  // The one that was read last time is there still, unless too many have come since, or the database was put back.
  const [last, ...fresh] = rows
  if (last?.revision !== after) return { changes: undefined, revision: await readLoginRevision(reader) }
  return {
    changes: fresh.map(({ ai_id: aiId, sid }) => ({ aiId, sid: sid ?? undefined })),
    revision: rows.at(-1)?.revision ?? after,
  }
}
