import type { Reader } from '../store/store.ts'

/** What a queue holds when it is opened: `from` names its rows. */
export function heldIn(reader: Reader, from: string): { count: number; bytes: number } {
  const row = reader.get<{ count: number; bytes: number | null }>(
    `SELECT count(*) AS count, sum(size_bytes) AS bytes FROM ${from}`,
  )
  return { count: row?.count ?? 0, bytes: row?.bytes ?? 0 }
}
