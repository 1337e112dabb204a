export type SqlValue = null | number | string | Uint8Array

/** The part of a SQLite connection that Perdura uses; `DatabaseSync` of `node:sqlite` has it. */
export interface Database {
  readonly isTransaction: boolean
  exec(sql: string): void
  prepare(sql: string): Statement
  createSession(): ChangeSession
  /** False where a row could not be applied. Rows of a table that is missing are dropped without a word. */
  applyChangeset(changes: Uint8Array): boolean
  close(): void
}

export interface Statement {
  run(...parameters: SqlValue[]): { readonly changes: number | bigint }
  get(...parameters: SqlValue[]): unknown
  all(...parameters: SqlValue[]): unknown[]
}

export interface ChangeSession {
  changeset(): Uint8Array
  close(): void
}
