import type { Reader, Tx } from './store.ts'

/** Raises a durable counter by one and returns it: 1 the first time. */
export function nextCount(tx: Tx, name: string): number {
  const sql = `INSERT INTO counters (name, value) VALUES (?, 1)
    ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value`
  return (tx.get<{ value: number }>(sql, name) as { value: number }).value
}

export function setCount(tx: Tx, name: string, value: number): void {
  tx.run(
    'INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    name,
    value,
  )
}

/** 0 where it was never set. */
export function readCount(reader: Reader, name: string): number {
  return reader.get<{ value: number }>('SELECT value FROM counters WHERE name = ?', name)?.value ?? 0
}
