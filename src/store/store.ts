import type { SqlValue } from '../platform/database.ts'

/** What one operation of a batch may do: synchronous SQL on the one writing connection. */
export interface Tx {
  run(sql: string, ...parameters: SqlValue[]): { readonly changes: number }
  get<Row>(sql: string, ...parameters: SqlValue[]): Row | undefined
  all<Row>(sql: string, ...parameters: SqlValue[]): Row[]
  /** Called if this operation is undone: by its own error or because its batch could not be committed. */
  onUndo(undo: () => void): void
  /** Called after the batch is durable, before the promise of the operation resolves. */
  onCommit(committed: () => void): void
}

/** The read-only connection: committed content only. */
export interface Reader {
  get<Row>(sql: string, ...parameters: SqlValue[]): Row | undefined
  all<Row>(sql: string, ...parameters: SqlValue[]): Row[]
}

export interface Position {
  readonly chain: number
  readonly sequence: number
}

export interface Store {
  /**
   * Runs `operation` in the next batch; resolves with its result once the batch is on disk. If it throws, only it is
   * undone and rejected; where SQLite answers with undoing everything (a full disk), so are those before it, with
   * ERR_STORE_WRITE. Once the batch has begun to be written nothing rejects: the process ends and recovers.
   */
  write<T>(operation: (tx: Tx) => T): Promise<T>
  readonly reader: Reader
  readonly position: Position
  /** Waits for what was accepted, then closes; later writes reject with ERR_STORE_CLOSED. */
  close(): Promise<void>
}
