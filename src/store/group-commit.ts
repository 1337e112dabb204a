import { PerduraError, toError } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { Process } from '../platform/process.ts'
import { isSqliteError } from '../platform/sqlite-error.ts'
import type { ChangeSession, Database, SqlValue, Statement } from '../platform/database.ts'
import type { Journal } from './journal.ts'
import { writePosition } from './position.ts'
import type { Position, Reader, Tx } from './store.ts'

interface Pending {
  readonly operation: (tx: Tx) => unknown
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

interface Done {
  readonly pending: Pending
  readonly result: unknown
  readonly undo: (() => void)[]
  readonly committed: (() => void)[]
}

export interface GroupCommitOptions {
  readonly database: Database
  readonly journal: Journal
  readonly clock: Clock
  readonly process: Process
  /** Operations that may wait; one more is refused with ERR_STORE_BUSY. */
  readonly queueMax: number
  readonly batchOperationsMax: number
  /** A batch takes no further operation once its parameters have this size. */
  readonly batchBytesMax: number
  /** A batch of changes is on disk; how long that took. */
  readonly onCommitted?: ((durationMs: number) => void) | undefined
}

/**
 * The one writer. Operations that arrive together become one transaction and one journal record: each runs in its own
 * savepoint, so that one that throws undoes only itself; the record is written and synced (the commit point); then the
 * database commits and the promises resolve. Nothing inside awaits, so one batch is in flight at a time.
 *
 * Up to the commit point a failure undoes the batch and rejects it. From there on nothing is retried, rejected or
 * continued: whether the record is on disk is unknown, so the process ends and the next one finds out.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions
  readonly #statements: StatementCache
  readonly #writePosition: ReturnType<typeof writePosition>
  #queue: Pending[] = []
  #scheduled = false
  #closed = false
  #idle: (() => void) | undefined

  constructor(options: GroupCommitOptions) {
    this.#options = options
    this.#statements = new StatementCache(options.database)
    this.#writePosition = writePosition(options.database)
  }

  get position(): Position {
    return { chain: this.#options.journal.chain.number, sequence: this.#options.journal.last.sequence }
  }

  write<T>(operation: (tx: Tx) => T): Promise<T> {
    if (this.#closed)
      return Promise.reject(new PerduraError('ERR_STORE_CLOSED', 'the agent is stopping: try again later'))
    if (this.#queue.length >= this.#options.queueMax) {
      const waiting = `${this.#queue.length} operations wait to be written already: slow down and try again`
      return Promise.reject(new PerduraError('ERR_STORE_BUSY', waiting))
    }
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ operation, resolve: resolve as (result: unknown) => void, reject })
      this.#schedule()
    })
  }

  /** Takes nothing more; resolves when all that was taken is written. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#queue.length > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    // A turn of the event loop between batches: commits that follow one another must not starve sockets and timers.
    this.#options.clock.defer(() => {
      this.#scheduled = false
      if (this.#queue.length > 0) this.#commitBatch()
      if (this.#queue.length > 0) this.#schedule()
      else this.#idle?.()
    })
  }

  #commitBatch(): void {
    const { database, journal, clock, process, onCommitted } = this.#options
    const startedMs = clock.monotonicMs()
    const done: Done[] = []
    const failed: { readonly pending: Pending; readonly error: Error }[] = []
    let changes: Uint8Array
    let session: ChangeSession | undefined
    let taken = 0
    try {
      database.exec('BEGIN IMMEDIATE')
      session = database.createSession()
      taken = this.#runOperations(done, failed)
      changes = session.changeset()
      session.close()
      session = undefined
      if (changes.length > 0) journal.reserve(changes.length)
    } catch (error) {
      if (session !== undefined) ignoreErrors(() => session?.close())
      if (database.isTransaction) ignoreErrors(() => database.exec('ROLLBACK'))
      // Where an operation took the transaction with it, that one is not counted yet.
      const batch = this.#queue.splice(0, taken > 0 ? taken : done.length + failed.length + 1)
      for (const { undo } of done.toReversed()) runAll(undo.toReversed())
      const cause = error instanceof PerduraError ? error : writeError(error)
      for (const pending of batch)
        pending.reject(failed.find((one) => one.pending === pending)?.error ?? cause)
      return
    }
    try {
      if (changes.length > 0)
        this.#writePosition(journal.append(changes, Math.max(0, Math.round(clock.now()))))
      database.exec('COMMIT')
    } catch (cause) {
      process.crash(
        new PerduraError(
          'ERR_STORE_BROKEN',
          `a commit failed half-way (${toError(cause).message}): check the disk; the next start recovers`,
          { cause },
        ),
      )
    }
    this.#queue.splice(0, taken)
    if (changes.length > 0) onCommitted?.(clock.monotonicMs() - startedMs)
    for (const { committed } of done) runAll(committed)
    for (const { pending, result } of done) pending.resolve(result)
    for (const { pending, error } of failed) pending.reject(error)
  }

  /** Runs operations until the batch is full; returns how many were taken from the head of the queue. */
  #runOperations(done: Done[], failed: { readonly pending: Pending; readonly error: Error }[]): number {
    const { database, batchOperationsMax, batchBytesMax } = this.#options
    let bytes = 0
    let taken = 0
    for (const pending of this.#queue) {
      if (taken >= batchOperationsMax || bytes >= batchBytesMax) break
      taken += 1
      const undo: (() => void)[] = []
      const committed: (() => void)[] = []
      this.#statements.run('SAVEPOINT operation')
      try {
        const tx = this.#statements.tx((size) => (bytes += size), undo, committed)
        const result = pending.operation(tx)
        if (result instanceof Promise) {
          result.catch(() => undefined)
          throw new TypeError('an operation of the store must not be asynchronous')
        }
        done.push({ pending, result, undo, committed })
      } catch (error) {
        runAll(undo.toReversed())
        // Some errors (a full disk) undo the whole transaction, and with it everybody else's part.
        if (!database.isTransaction) throw error
        this.#statements.run('ROLLBACK TO operation')
        failed.push({ pending, error: isOfSystem(error) ? writeError(error) : toError(error) })
      }
      this.#statements.run('RELEASE operation')
    }
    return taken
  }
}

/** What the disk or the system refuses is no fault of the operation's: it may be tried again. */
function isOfSystem(error: unknown): boolean {
  return isSqliteError(error, 'busy', 'ioError', 'full', 'cannotOpen')
}

function writeError(error: unknown): PerduraError {
  const { message } = toError(error)
  return new PerduraError('ERR_STORE_WRITE', `nothing was written: ${message}`, { cause: error })
}

function runAll(callbacks: readonly (() => void)[]): void {
  for (const callback of callbacks) callback()
}

function ignoreErrors(run: () => void): void {
  try {
    run()
  } catch {
    // The transaction is being abandoned because of another error, which is the one to report.
  }
}

/** Prepared statements of one connection, by their text. */
export class StatementCache implements Reader {
  static readonly #statementsMax = 256
  readonly #database: Database
  readonly #statements = new Map<string, Statement>()

  constructor(database: Database) {
    this.#database = database
  }

  get<Row>(sql: string, ...parameters: SqlValue[]): Row | undefined {
    return this.#prepare(sql).get(...parameters) as Row | undefined
  }

  all<Row>(sql: string, ...parameters: SqlValue[]): Row[] {
    return this.#prepare(sql).all(...parameters) as Row[]
  }

  run(sql: string): void {
    this.#prepare(sql).run()
  }

  tx(addSize: (bytes: number) => void, undo: (() => void)[], committed: (() => void)[]): Tx {
    return {
      run: (sql, ...parameters) => {
        for (const parameter of parameters) addSize(sizeOf(parameter))
        return { changes: Number(this.#prepare(sql).run(...parameters).changes) }
      },
      get: (sql, ...parameters) => this.get(sql, ...parameters),
      all: (sql, ...parameters) => this.all(sql, ...parameters),
      onUndo: (callback) => void undo.push(callback),
      onCommit: (callback) => void committed.push(callback),
    }
  }

  #prepare(sql: string): Statement {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    if (this.#statements.size >= StatementCache.#statementsMax) this.#statements.clear()
    const statement = this.#database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}

function sizeOf(value: SqlValue): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length
  return 8
}
