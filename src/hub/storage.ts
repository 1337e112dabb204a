import type { SqlValue } from '../platform/database.ts'

/** Looks at what is committed. */
export interface HubReader {
  get<Row>(sql: string, ...parameters: SqlValue[]): Promise<Row | undefined>
  all<Row>(sql: string, ...parameters: SqlValue[]): Promise<Row[]>
}

/** What one operation may do within its transaction. It must await nothing but this. */
export interface HubTx extends HubReader {
  run(sql: string, ...parameters: SqlValue[]): Promise<{ readonly changes: number }>
}

/**
 * The hub's only durable truth: streams, cursors, deduplication and generations are rows here, and never memory, so that
 * several hubs can share one database. The SQL is the part of the language that SQLite and PostgreSQL have in common,
 * with `?` for parameters; what a decision rests on is read in the transaction that acts on it.
 */
export interface HubStorage {
  /**
   * Runs `operation` in a transaction; resolves once its result is on disk. If it throws, it is undone, and only it.
   * ERR_HUB_STORAGE (retryable) where nothing could be written.
   */
  write<T>(operation: (tx: HubTx) => Promise<T>): Promise<T>
  read<T>(operation: (reader: HubReader) => Promise<T>): Promise<T>
  /** Waits for what was accepted, then closes. */
  close(): Promise<void>
}
