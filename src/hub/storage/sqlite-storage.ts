import { PerduraError, toError } from '../../errors.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Database, SqlValue, Statement } from '../../platform/database.ts'
import type { Process } from '../../platform/process.ts'
import { isSqliteError } from '../../platform/sqlite-error.ts'
import type { HubReader, HubStorage, HubTx } from '../storage.ts'
import { migrations } from './sqlite-schema.ts'

interface Pending<Via> {
  readonly operation: (via: Via) => Promise<unknown>
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

export interface SqliteStorageOptions {
  /** WAL and synchronous FULL: a commit that returned is on disk. */
  readonly database: Database
  readonly clock: Clock
  readonly process: Process
  /** Operations that may wait, of reads and of writes each; one more is refused. Default 10,000. */
  readonly queueMax?: number
  readonly batchMax?: number
  /** Throws where the files that are written to are not those that the next process would find. Asked before and after each batch. */
  readonly checkPlace?: () => void
}

/** Reads in a row while something waits to be written: beyond, they have their turn after it. */
const readsInRowMax = 64

/** Each prepared statement has memory of SQLite's; our own texts are fewer, and filters make the others. */
const statementsMax = 256

/**
 * The embedded database: one connection, one transaction at a time. Operations that arrive together share it, and with it
 * one sync of the disk, each in a savepoint of its own. What an operation awaits here is settled at once, so a batch ends
 * within one turn of the event loop; reads wait for the end of the batch, and so see only what is committed.
 *
 * One batch or one read has the connection at a time. Writes that wait get it after a turn of the event loop, so that what
 * arrives meanwhile shares the batch, or after so many reads, so that these cannot keep it for ever; reads have it in
 * between, in the order in which they came.
 */
export class SqliteStorage implements HubStorage {
  readonly #options: Required<SqliteStorageOptions>
  /** The one that was not used for longest comes first. */
  readonly #statements = new Map<string, Statement>()
  readonly #tx: HubTx
  readonly #writes: Pending<HubTx>[] = []
  readonly #reads: Pending<HubReader>[] = []
  #readsInRow = 0
  #busy = false
  #scheduled = false
  #closing: Promise<void> | undefined
  #idle: (() => void) | undefined

  constructor(options: SqliteStorageOptions) {
    this.#options = { queueMax: 10_000, batchMax: 512, checkPlace: () => undefined, ...options }
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

  async write<T>(operation: (tx: HubTx) => Promise<T>): Promise<T> {
    const written = this.#enqueue(this.#writes, operation)
    this.#schedule()
    return written
  }

  async read<T>(operation: (reader: HubReader) => Promise<T>): Promise<T> {
    const seen = this.#enqueue(this.#reads, operation)
    if (!this.#busy) this.#next()
    return seen
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const isIdle = this.#writes.length === 0 && this.#reads.length === 0 && !this.#busy
    if (!isIdle) await new Promise<void>((resolve) => (this.#idle = resolve))
    this.#options.database.close()
  }

  #enqueue<Via, T>(queue: Pending<Via>[], operation: (via: Via) => Promise<T>): Promise<T> {
    if (this.#closing !== undefined)
      throw new PerduraError('ERR_HUB_STORAGE', 'the hub is stopping: try again later')
    if (queue.length >= this.#options.queueMax)
      throw new PerduraError('ERR_HUB_STORAGE', 'the hub is busy: try again later')
    return new Promise<T>((resolve, reject) => {
      queue.push({ operation, resolve: resolve as (result: unknown) => void, reject })
    })
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#options.clock.defer(() => {
      this.#scheduled = false
      if (this.#busy || this.#writes.length === 0) return
      void this.#commitBatch()
    })
  }

  #release(): void {
    this.#busy = false
    this.#next()
  }

  /** Gives the connection, which nobody has, to who is next. */
  #next(): void {
    if (this.#writes.length > 0 && this.#readsInRow >= readsInRowMax) return void this.#commitBatch()
    const read = this.#reads.shift()
    if (read !== undefined) return void this.#look(read)
    if (this.#writes.length > 0) this.#schedule()
    else this.#idle?.()
  }

  async #look({ operation, resolve, reject }: Pending<HubReader>): Promise<void> {
    // Taken like a batch: nothing may begin to write between the statements of one look.
    this.#busy = true
    this.#readsInRow = this.#writes.length === 0 ? 0 : this.#readsInRow + 1
    try {
      resolve(await operation(this.#tx))
    } catch (error) {
      reject(toError(error))
    }
    this.#release()
  }

  async #commitBatch(): Promise<void> {
    this.#busy = true
    this.#readsInRow = 0
    const { database, process, batchMax, checkPlace } = this.#options
    const batch = this.#writes.splice(0, batchMax)
    const settled: (() => void)[] = []
    try {
      checkPlace()
      database.exec('BEGIN IMMEDIATE')
      for (const pending of batch) settled.push(await this.#runOne(pending))
    } catch (error) {
      this.#rollBack()
      return this.#rejectBatch(batch, error)
    }
    try {
      database.exec('COMMIT')
    } catch (error) {
      // In WAL mode a disk that is full shows itself here, before the end of the transaction is on it: SQLite has undone
      // the whole. After anything else it is unknown what is on disk: the next process finds out, and the agents ask it.
      const isUndone = isSqliteError(error, 'full') && !database.isTransaction
      if (!isUndone) process.crash(storageError(error))
      return this.#rejectBatch(batch, error)
    }
    try {
      checkPlace()
    } catch (error) {
      // Whether the next process will have it is decided by where the files are then: those who ask again find out.
      return this.#rejectBatch(batch, error)
    }
    for (const settle of settled) settle()
    this.#release()
  }

  #rejectBatch(batch: readonly Pending<HubTx>[], error: unknown): void {
    const failure = storageError(error)
    for (const { reject } of batch) reject(failure)
    this.#release()
  }

  #rollBack(): void {
    const { database, process } = this.#options
    try {
      if (database.isTransaction) database.exec('ROLLBACK')
    } catch (error) {
      // Where the transaction is gone all the same, nothing of it was written; where it is not, all later ones would be in it.
      if (database.isTransaction) process.crash(storageError(error))
    }
  }

  /** Runs one operation in its savepoint; returns what is to happen once all is on disk. */
  async #runOne({ operation, resolve, reject }: Pending<HubTx>): Promise<() => void> {
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
    const statement = this.#statements.get(sql) ?? this.#options.database.prepare(sql)
    this.#statements.delete(sql)
    this.#statements.set(sql, statement)
    if (this.#statements.size > statementsMax)
      this.#statements.delete(this.#statements.keys().next().value ?? '')
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
