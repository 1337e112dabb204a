import type { HubReader } from './storage.ts'

/** What waits for agents at a hub. */
export interface Backlog {
  readonly messages: number
  /** When the oldest of them came in, wall-clock ms; undefined where nothing waits. */
  readonly oldestAt: number | undefined
}

/**
 * Counted by the streams, of which there is one for each agent; the oldest of a stream is the one after what counts as
 * acknowledged, so that this looks at one entry for each agent that has something waiting, whatever waits.
 */
export async function readBacklog(reader: HubReader): Promise<Backlog> {
  const row = await reader.get<{ messages: number | null; oldest: number | null }>(
    `SELECT sum(streams.waiting_count) AS messages, min(entries.appended_at) AS oldest
     FROM streams LEFT JOIN entries ON entries.ai_id = streams.ai_id
       AND entries.position = 1 + CASE WHEN streams.acked < streams.floor THEN streams.floor ELSE streams.acked END
     WHERE streams.waiting_count > 0`,
  )
  return { messages: Number(row?.messages ?? 0), oldestAt: row?.oldest ?? undefined }
}
