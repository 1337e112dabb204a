import { PerduraError, toError } from '../../errors.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Database, SqlValue, Statement } from '../../platform/database.ts'
import type { Process } from '../../platform/process.ts'
import { isSqliteError } from '../../platform/sqlite-error.ts'
import type { HubReader, HubStorage, HubTx } from '../storage.ts'
import { migrations } from './sqlite-schema.ts'

interface Pending {
  readonly operation: (tx: HubTx) => Promise<unknown>
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

export interface SqliteStorageOptions {
  /** WAL and synchronous FULL: a commit that returned is on disk. */
  readonly database: Database
  readonly clock: Clock
  readonly process: Process
  /** Operations that may wait; one more is refused. Default 10,000. */
  readonly queueMax?: number
  readonly batchMax?: number
}

/**
 * The embedded database: one connection, one transaction at a time. Operations that arrive together share it, and with it
 * one sync of the disk, each in a savepoint of its own. What an operation awaits here is settled at once, so a batch ends
 * within one turn of the event loop; reads wait for the end of the batch, and so see only what is committed.
 */
export class SqliteStorage implements HubStorage {
  readonly #options: Required<SqliteStorageOptions>
  readonly #statements = new Map<string, Statement>()
  readonly #tx: HubTx
  #queue: Pending[] = []
  #reads: (() => void)[] = []
  #busy = false
  #closed = false
  #idle: (() => void) | undefined

  constructor(options: SqliteStorageOptions) {
    this.#options = { queueMax: 10_000, batchMax: 512, ...options }
    migrate(options.database)
    this.#tx = {
      run: async (sql, ...parameters) => ({
        changes: Number(this.#ask(sql, (statement) => statement.run(...parameters)).changes),
      }),
      get: async <Row>(sql: string, ...parameters: SqlValue[]) =>
        this.#ask(sql, (statement) => statement.get(...parameters)) as Row | undefined,
      all: async <Row>(sql: string, ...parameters: SqlValue[]) =>
        this.#ask(sql, (statement) => statement.all(...parameters)) as Row[],
    }
  }

  write<T>(operation: (tx: HubTx) => Promise<T>): Promise<T> {
    if (this.#closed)
      return Promise.reject(new PerduraError('ERR_HUB_STORAGE', 'the hub is stopping: try again later'))
    if (this.#queue.length >= this.#options.queueMax) {
      return Promise.reject(new PerduraError('ERR_HUB_STORAGE', 'the hub is busy: try again later'))
    }
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ operation, resolve: resolve as (result: unknown) => void, reject })
      this.#schedule()
    })
  }

  async read<T>(operation: (reader: HubReader) => Promise<T>): Promise<T> {
    while (this.#busy) await new Promise<void>((resolve) => this.#reads.push(resolve))
    // Taken like a batch: nothing may begin to write between the statements of one look.
    this.#busy = true
    try {
      return await operation(this.#tx)
    } finally {
      this.#release()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#queue.length > 0 || this.#busy) await new Promise<void>((resolve) => (this.#idle = resolve))
    this.#options.database.close()
  }

  #release(): void {
    this.#busy = false
    const reads = this.#reads
    this.#reads = []
    for (const wake of reads) wake()
    if (this.#queue.length > 0) this.#schedule()
    else this.#idle?.()
  }

  #schedule(): void {
    // A turn of the event loop between batches: what arrives meanwhile shares the next one.
    this.#options.clock.defer(() => {
      if (!this.#busy && this.#queue.length > 0) void this.#commitBatch()
    })
  }

  async #commitBatch(): Promise<void> {
    this.#busy = true
    const { database, process, batchMax } = this.#options
    const batch = this.#queue.splice(0, batchMax)
    const settled: (() => void)[] = []
    try {
      database.exec('BEGIN IMMEDIATE')
      for (const pending of batch) settled.push(await this.#runOne(pending))
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      const failure = storageError(error)
      for (const { reject } of batch) reject(failure)
      this.#release()
      return
    }
    try {
      database.exec('COMMIT')
    } catch (error) {
      // Whether it is on disk is unknown: the next process finds out, and the agents ask it again.
      process.crash(storageError(error))
    }
    for (const settle of settled) settle()
    this.#release()
  }

  /** Runs one operation in its savepoint; returns what is to happen once all is on disk. */
  async #runOne({ operation, resolve, reject }: Pending): Promise<() => void> {
    const { database } = this.#options
    this.#prepare('SAVEPOINT operation').run()
    try {
      const result = await operation(this.#tx)
      this.#prepare('RELEASE operation').run()
      return () => resolve(result)
    } catch (error) {
      // A full disk undoes the whole transaction, and with it everybody else's part.
      if (!database.isTransaction) throw error
      this.#prepare('ROLLBACK TO operation').run()
      this.#prepare('RELEASE operation').run()
      const failure = error instanceof PerduraError ? error : toError(error)
      return () => reject(failure)
    }
  }

  /** What the database cannot do now is nobody's fault who asks: a disk that is full, a file that is gone. */
  #ask<T>(sql: string, ask: (statement: Statement) => T): T {
    try {
      return ask(this.#prepare(sql))
    } catch (error) {
      throw isSqliteError(error, ...notOurFault) ? storageError(error) : error
    }
  }

  #prepare(sql: string): Statement {
    let statement = this.#statements.get(sql)
    if (statement === undefined) this.#statements.set(sql, (statement = this.#options.database.prepare(sql)))
    return statement
  }
}

const notOurFault = [
  'busy',
  'locked',
  'readOnly',
  'ioError',
  'corrupt',
  'full',
  'cannotOpen',
  'notADatabase',
] as const

function storageError(error: unknown): PerduraError {
  if (error instanceof PerduraError) return error
  const { message } = toError(error)
  return new PerduraError('ERR_HUB_STORAGE', `the hub could not write (${message}): check its disk`, {
    cause: error,
  })
}

/** Brings the database to the newest schema; refuses one that a newer version made. */
function migrate(database: Database): void {
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number }
  if (version > migrations.length) {
    throw new PerduraError(
      'ERR_STORE_NEWER',
      `the hub's database has schema ${version}, and this version knows ${migrations.length}: update Perdura`,
    )
  }
  for (const [index, sql] of migrations.entries()) {
    if (index < version) continue
    database.exec('BEGIN IMMEDIATE')
    try {
      database.exec(sql)
      database.exec(`PRAGMA user_version = ${index + 1}`)
      database.exec('COMMIT')
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }
}
