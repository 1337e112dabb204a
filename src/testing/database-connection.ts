import type { DatabaseSync, SQLInputValue, Session, StatementSync } from 'node:sqlite'
import type { ChangeSession, Database, SqlValue, Statement } from '../platform/database.ts'
import type { DatabaseBoundaryKind } from './database.ts'
import type { SimulatedProcess } from './process.ts'

export interface ConnectionHost {
  readonly process: SimulatedProcess
  /** Passes the boundaries around what a connection does. */
  meet<T>(kind: DatabaseBoundaryKind, act: () => T): T
  onCommit(): void
  prepare(content: DatabaseSync, sql: string): StatementSync
  /** Whether a write finds no room now, and whether SQLite undoes the whole transaction for it (it may). */
  fullNow(): 'no' | 'statement' | 'transaction'
}

/**
 * A connection of one process to the content that all share. When the process dies, what it had not committed is
 * undone, and whatever of its code still runs meets the death at its next call.
 */
export class SimulatedConnection implements Database {
  readonly #host: ConnectionHost
  readonly #content: DatabaseSync
  readonly #writes: boolean
  readonly #ownsContent: boolean
  readonly #sessions = new Set<Session>()
  readonly #forget: () => void
  #open = true

  constructor(host: ConnectionHost, content: DatabaseSync, writes: boolean, ownsContent = false) {
    this.#host = host
    this.#content = content
    this.#writes = writes
    this.#ownsContent = ownsContent
    this.#forget = host.process.onDeath(() => this.#abandon())
  }

  get isTransaction(): boolean {
    this.#check()
    return this.#content.isTransaction
  }

  exec(sql: string): void {
    this.#check()
    const kind = kindOf(sql)
    this.#host.meet(kind, () => {
      this.#content.exec(sql)
      if (kind === 'commit') this.#host.onCommit()
    })
  }

  prepare(sql: string): Statement {
    this.#check()
    const statement = this.#host.prepare(this.#content, sql)
    return {
      run: (...parameters) => {
        this.#check()
        return this.#host.meet('run', () => {
          if (this.#content.isTransaction) this.#mayBeFull()
          return statement.run(...values(parameters))
        })
      },
      get: (...parameters) => {
        this.#checkRead()
        return statement.get(...values(parameters))
      },
      all: (...parameters) => {
        this.#checkRead()
        return statement.all(...values(parameters))
      },
    }
  }

  createSession(): ChangeSession {
    this.#check()
    const session = this.#content.createSession()
    this.#sessions.add(session)
    return {
      changeset: () => {
        this.#check()
        return session.changeset()
      },
      close: () => {
        this.#check()
        this.#sessions.delete(session)
        session.close()
      },
    }
  }

  applyChangeset(changes: Uint8Array): boolean {
    this.#check()
    return this.#host.meet('apply', () => this.#content.applyChangeset(changes))
  }

  close(): void {
    this.#check()
    this.#open = false
    this.#forget()
    if (this.#ownsContent) this.#content.close()
  }

  #mayBeFull(): void {
    const full = this.#host.fullNow()
    if (full === 'no') return
    if (full === 'transaction') this.#content.exec('ROLLBACK')
    const sqliteFull = 13
    throw Object.assign(new Error('database or disk is full'), {
      code: 'ERR_SQLITE_ERROR',
      errcode: sqliteFull,
    })
  }

  #check(): void {
    this.#host.process.check()
    if (!this.#open) throw new Error('the connection is closed')
  }

  /** A reader sees what is committed; here it shares the writer's connection, and would see more. */
  #checkRead(): void {
    this.#check()
    if (!this.#writes && this.#content.isTransaction)
      throw new Error('a read within the transaction of another')
  }

  #abandon(): void {
    this.#open = false
    for (const session of this.#sessions) session.close()
    this.#sessions.clear()
    if (this.#ownsContent) this.#content.close()
    else if (this.#writes && this.#content.isTransaction) this.#content.exec('ROLLBACK')
  }
}

function kindOf(sql: string): DatabaseBoundaryKind {
  if (sql.startsWith('BEGIN')) return 'begin'
  if (sql === 'COMMIT') return 'commit'
  if (sql === 'ROLLBACK') return 'rollback'
  return 'exec'
}

function values(parameters: readonly SqlValue[]): SQLInputValue[] {
  return parameters as SQLInputValue[]
}
