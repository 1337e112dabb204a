import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { PerduraError } from '../errors.ts'
import type { Disk } from '../platform/disk.ts'
import type { Database } from '../platform/database.ts'
import type { DatabaseFiles } from '../store/database.ts'
import type { SimulatedClock } from './clock.ts'
import { SimulatedConnection } from './database-connection.ts'
import { SimulatedDeath } from './death.ts'
import type { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'

/** A point around one thing that is asked of the database; the process may die there. */
export interface DatabaseBoundary {
  readonly kind: DatabaseBoundaryKind
  readonly when: 'before' | 'after'
}

export type DatabaseBoundaryKind =
  | 'open'
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'exec'
  | 'run'
  | 'apply'
  | 'checkpoint'
  | 'copy'
  | 'restore'
  | 'quarantine'

export interface SimulatedDatabaseOptions {
  readonly clock: SimulatedClock
  readonly random: SeededRandom
  /** How likely a commit is kept as an image that a power cut may bring back. Default 0.2. */
  readonly imageRate?: number
}

/** Images that are kept besides the one of the last checkpoint. */
const imagesMax = 8
const copyPieceBytes = 16_384
const copyStepMsMax = 10

/**
 * The database of one agent, outliving the processes that use it. A process gets its own view with `for(process)`;
 * when it dies, its open transaction is undone and its connections are dead. In WAL mode with synchronous NORMAL a
 * power cut may take commits that no checkpoint has synced, so `powerCut` puts back any earlier image, but none older
 * than the last checkpoint. The content is in memory; copies of it are files on the simulated disk.
 */
export class SimulatedDatabase {
  readonly reached = new Map<string, number>()
  /** How likely a write within a transaction fails with SQLITE_FULL. */
  fullRate = 0
  /** Called at every boundary; it may end the process right there. */
  onBoundary: ((boundary: DatabaseBoundary, process: SimulatedProcess) => void) | undefined
  readonly #clock: SimulatedClock
  readonly #random: SeededRandom
  readonly #imageRate: number
  #content: DatabaseSync | undefined
  /** Of `#content`, by their text: each process prepares the same ones. */
  #statements = new Map<string, StatementSync>()
  /** What a power cut may leave: the content at the last checkpoint (undefined: no file), and some commits since. */
  #images: (Uint8Array | undefined)[] = [undefined]
  #holder: SimulatedProcess | undefined

  constructor(options: SimulatedDatabaseOptions) {
    this.#clock = options.clock
    this.#random = options.random
    this.#imageRate = options.imageRate ?? 0.2
  }

  /** The database as one process has it; its copies go to the disk that the process has. */
  for(process: SimulatedProcess, disk: Disk): DatabaseFiles {
    const open = (writes: boolean): Database => {
      this.#meet(process, 'open', () => (this.#content ??= new DatabaseSync(':memory:')))
      return new SimulatedConnection(this.#host(process), this.#content as DatabaseSync, writes)
    }
    return {
      lock: () => this.#lock(process),
      exists: () => {
        process.check()
        return this.#content !== undefined
      },
      sizeBytes: () => {
        process.check()
        return this.#bytes()?.length ?? 0
      },
      open: () => open(true),
      openReader: () => open(false),
      checkpoint: () => {
        this.#meet(process, 'checkpoint', () => (this.#images = [this.#bytes()]))
        return true
      },
      quarantine: (folder) => {
        disk.makeFolder(folder)
        writeFile(disk, `${folder}/state.db`, this.#bytes() ?? Buffer.alloc(0))
        this.#meet(process, 'quarantine', () => this.#replace(undefined))
      },
      copyTo: (path) => this.#copy(process, disk, path),
      copyNow: (_connection, path) => {
        this.#meet(process, 'copy', () => undefined)
        writeFile(disk, path, this.#bytes() ?? Buffer.alloc(0))
      },
      openCopy: (path) => {
        const bytes = disk.readFile(path)
        const copy = new DatabaseSync(':memory:')
        copy.deserialize(Buffer.from(bytes ?? []))
        return new SimulatedConnection(this.#host(process), copy, false, true)
      },
      editCopy: (path, use) => {
        const copy = new DatabaseSync(':memory:')
        copy.deserialize(Buffer.from(disk.readFile(path) ?? []))
        const connection = new SimulatedConnection(this.#host(process), copy, true, true)
        try {
          return use(connection)
        } finally {
          if (process.alive) {
            const bytes = copy.serialize()
            connection.close()
            disk.replaceFile(path, bytes)
          }
        }
      },
      replaceWith: (path, folder) => {
        const bytes = disk.readFile(path)
        disk.makeFolder(folder)
        const before = this.#bytes()
        if (before !== undefined) writeFile(disk, `${folder}/state.db`, before)
        this.#meet(process, 'quarantine', () => this.#replace(undefined))
        this.#meet(process, 'restore', () => this.#replace(bytes))
        disk.remove(path)
      },
      restoreFrom: (path) => {
        const bytes = disk.readFile(path)
        if (this.#content !== undefined) throw new Error('there is a database already')
        this.#meet(process, 'restore', () => this.#replace(bytes))
      },
    }
  }

  /** The power fails: what no checkpoint has synced may be gone. Kill the processes first. */
  powerCut(random: SeededRandom = this.#random): void {
    const fate = random.pick(['newest', 'newest', 'checkpoint', 'any', 'any'] as const)
    this.#count(`power:image:${fate}`)
    if (fate === 'checkpoint') this.#replace(this.#images[0])
    else if (fate === 'any') this.#replace(random.pick(this.#images))
    else this.#replace(this.#bytes())
  }

  /** The file is gone. */
  lose(): void {
    this.#count('database:lost')
    this.#replace(undefined)
  }

  /** Bytes of the file are overwritten, in a way that SQLite can notice: its header, or that of a page. */
  corrupt(random: SeededRandom = this.#random): void {
    const bytes = this.#bytes()
    if (bytes === undefined || bytes.length === 0) return
    this.#count('database:corrupted')
    const pageBytes = 4_096
    const page = random.int(0, bytes.length / pageBytes - 1)
    // Page 1 starts with the file's header; overwriting it makes the file no database at all.
    bytes.fill(0xff, page * pageBytes, page * pageBytes + 16)
    this.#replace(bytes)
  }

  /** Somebody puts an earlier copy of the file in its place. No process may be alive that has it open. */
  putBack(image: Uint8Array): void {
    this.#count('database:put-back')
    this.#replace(image)
  }

  /** What is committed, for whoever judges from outside. */
  image(): Uint8Array | undefined {
    return this.#bytes()
  }

  /** Asks for what is committed, from outside of all processes. */
  look<Row>(sql: string, ...parameters: (string | number)[]): Row[] {
    if (this.#content?.isTransaction === true) throw new Error('somebody is in the middle of a transaction')
    if (this.#content === undefined) return []
    return this.#prepare(this.#content, sql).all(...parameters) as Row[]
  }

  #host(process: SimulatedProcess): ConstructorParameters<typeof SimulatedConnection>[0] {
    return {
      process,
      meet: (kind, act) => this.#meet(process, kind, act),
      prepare: (content, sql) => this.#prepare(content, sql),
      fullNow: () => {
        if (this.fullRate === 0 || !this.#random.chance(this.fullRate)) return 'no'
        const undone = this.#random.pick(['statement', 'transaction'] as const)
        this.#count(`fault:full:${undone}`)
        return undone
      },
      onCommit: () => {
        if (!this.#random.chance(this.#imageRate)) return
        if (this.#images.length > imagesMax) this.#images.splice(this.#random.int(1, imagesMax), 1)
        this.#images.push(this.#bytes())
      },
    }
  }

  #prepare(content: DatabaseSync, sql: string): StatementSync {
    if (content !== this.#content) return content.prepare(sql)
    const statement = this.#statements.get(sql) ?? content.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #lock(process: SimulatedProcess): { release(): void } {
    process.check()
    if (this.#holder?.alive === true) {
      throw new PerduraError('ERR_HOME_IN_USE', `another process has the agent open: ${this.#holder.name}`)
    }
    this.#holder = process
    return {
      release: () => {
        process.check()
        this.#holder = undefined
      },
    }
  }

  /** At its own pace, like a backup in another thread: what it holds was committed at some moment in between. */
  async #copy(process: SimulatedProcess, disk: Disk, path: string): Promise<void> {
    await this.#breathe(process)
    this.#meet(process, 'copy', () => undefined)
    const bytes = this.#bytes() ?? Buffer.alloc(0)
    if (disk.exists(path)) disk.remove(path)
    disk.prepareZerosNow(path, bytes.length)
    const file = disk.open(path)
    try {
      for (let at = 0; at < bytes.length; at += copyPieceBytes) {
        await this.#breathe(process)
        file.write(at, bytes.subarray(at, at + copyPieceBytes))
      }
    } finally {
      file.close()
    }
  }

  /** Resolves after a little virtual time, in which other things happen; never for a dead process. */
  #breathe(process: SimulatedProcess): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.schedule(this.#random.int(1, copyStepMsMax), resolve, process)
    })
  }

  #bytes(): Uint8Array | undefined {
    return this.#content?.serialize()
  }

  /** From now on the file has this content, durably. */
  #replace(bytes: Uint8Array | undefined): void {
    const before = this.#content
    this.#content = undefined
    this.#statements = new Map()
    if (before !== undefined) before.close()
    this.#images = [bytes]
    if (bytes === undefined) return
    this.#content = new DatabaseSync(':memory:')
    if (bytes.length > 0) this.#content.deserialize(bytes)
  }

  #meet<T>(process: SimulatedProcess, kind: DatabaseBoundaryKind, act: () => T): T {
    process.check()
    this.#pass(process, { kind, when: 'before' })
    const result = act()
    this.#pass(process, { kind, when: 'after' })
    return result
  }

  #pass(process: SimulatedProcess, boundary: DatabaseBoundary): void {
    const name = `${boundary.when}:${boundary.kind}`
    this.#count(`operation:${name}`)
    try {
      this.onBoundary?.(boundary, process)
      process.check()
    } catch (error) {
      if (error instanceof SimulatedDeath) this.#count(`death:${name}`)
      throw error
    }
  }

  #count(what: string): void {
    this.reached.set(what, (this.reached.get(what) ?? 0) + 1)
  }
}

/** Written and not synced; whoever wants it on the medium syncs it. */
function writeFile(disk: Disk, path: string, bytes: Uint8Array): void {
  if (disk.exists(path)) disk.remove(path)
  disk.prepareZerosNow(path, bytes.length)
  const file = disk.open(path)
  try {
    file.write(0, bytes)
  } finally {
    file.close()
  }
}
