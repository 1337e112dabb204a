import { join } from 'node:path'
import { PerduraError } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { Log } from '../platform/log.ts'
import type { Process } from '../platform/process.ts'
import type { Random } from '../platform/random.ts'
import { scanChain, segmentIndexes, segmentName, type ChainScan, type JournalPosition } from './chain-scan.ts'
import { isCorruption } from './corruption.ts'
import type { CopySource } from './copy-source.ts'
import { cutNow, listCuts, removeCut, verifyCut, type Cut } from './cut.ts'
import type { Database } from '../platform/database.ts'
import type { DatabaseFiles } from './database.ts'
import { Journal, type JournalOptions } from './journal.ts'
import type { Chain } from './journal-record.ts'
import { quarantineFolder } from './quarantine.ts'
import { rebuildFromCopy, restoreNewestBackup } from './rebuild.ts'
import { newestChain } from './newest-chain.ts'
import { applyRecords } from './replay.ts'
import { Retention } from './retention.ts'
import { assertReadable, beginChain, readPosition, schemaVersion } from './position.ts'
import { migrations } from './schema.ts'

export interface StoreOptions {
  /** The agent's folder; the journal is in `journal/`, what must not be believed goes to `quarantine/`. */
  readonly folder: string
  readonly files: DatabaseFiles
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly process: Process
  readonly log: Log
  readonly limits?: Partial<StoreLimits>
  /** Copies that are kept elsewhere, for when the database and those beside the journal are lost. Default: none. */
  readonly copies?: CopySource
  /** Default: the agent's schema; another list rehearses a change of it. */
  readonly migrations?: readonly string[]
  /** A batch of changes is on disk; how long that took. */
  readonly onCommitted?: (durationMs: number) => void
}

export interface StoreLimits {
  /** Size of a journal segment; a larger record gets a segment of its own size. Default 1 MiB: opening checks every
   *  record of the last one, 3,000 in 10 ms, so that larger ones show in the time of a restart. */
  readonly segmentBytes: number
  /** Filled segments after which a new cut is taken and older segments may go. Default 32. */
  readonly cutEverySegments: number
  /** Filled segments that are kept for a backup's sake, at most. Default 256. */
  readonly segmentsForBackupsMax: number
  /** Databases up to this size are checked whole at open. Default 64 MiB. */
  readonly checkBytesMax: number
  readonly queueMax: number
  readonly batchOperationsMax: number
  readonly batchBytesMax: number
}

export const defaultStoreLimits: StoreLimits = {
  segmentBytes: 1_048_576,
  cutEverySegments: 32,
  segmentsForBackupsMax: 256,
  checkBytesMax: 67_108_864,
  queueMax: 10_000,
  batchOperationsMax: 1_000,
  batchBytesMax: 524_288,
}

/** What opening found and did. */
export interface StoreRecovery {
  readonly database: 'kept' | 'rebuilt' | 'created'
  readonly replayedRecords: number
  readonly tornBytes: number
  /** Why a new chain was begun, if one was. */
  readonly newChain: 'created' | 'migrated' | 'journal-lost' | 'journal-damaged' | undefined
}

/** One run of the opening protocol. Each step can be repeated: a crash at any point leads to the same end. */
export class Opening {
  readonly #options: StoreOptions
  readonly #limits: StoreLimits
  readonly #folder: string
  readonly #migrations: readonly string[]
  #database: Database | undefined
  #origin: StoreRecovery['database'] = 'kept'

  constructor(options: StoreOptions) {
    this.#options = options
    this.#limits = { ...defaultStoreLimits, ...options.limits }
    this.#folder = join(options.folder, 'journal')
    this.#migrations = options.migrations ?? migrations
  }

  run(): { database: Database; journal: Journal; retention: Retention; recovered: StoreRecovery } {
    let database = this.#openDatabase()
    if (schemaVersion(database) === 0)
      return this.#withNewChain(database, 'created', { replayed: 0, torn: 0 })

    let position = readPosition(database)
    let scan = this.#scan(position, () => undefined)
    if (this.#isOlderThanACut(position, scan)) {
      this.#quarantine('database older than the journal')
      database = this.#rebuild()
      position = readPosition(database)
      scan = this.#scan(position, () => undefined)
    }
    switch (scan.kind) {
      case 'intact': {
        const retention = this.#retention(database)
        const journal = Journal.resume(this.#journalOptions(position.chain, retention), scan.last, scan.tail)
        const replayed = this.#catchUp(database, position, scan.last)
        const found = { replayed, torn: scan.tail.tornBytes }
        if (scan.damagedBefore) {
          this.#closeJournal(journal)
          this.#checkpoint(database)
          this.#setAside(position.chain.number, 'damaged journal')
          return this.#withNewChain(database, 'journal-damaged', found)
        }
        if (schemaVersion(database) < this.#migrations.length) {
          this.#closeJournal(journal)
          return this.#withNewChain(database, 'migrated', found)
        }
        retention.resume(journal)
        return { database, journal, retention, recovered: this.#recovered(found, undefined) }
      }
      case 'absent':
        if (position.sequence === position.base && this.#origin === 'kept')
          return this.#finishNewChain(database, position, undefined)
        return this.#withNewChain(database, 'journal-lost', { replayed: 0, torn: 0 })
      case 'behind':
        this.#checkpoint(database)
        this.#setAside(position.chain.number, 'journal behind the database')
        return this.#withNewChain(database, 'journal-lost', { replayed: 0, torn: 0 })
      case 'gap':
        throw this.#gap(
          `its journal starts at change ${scan.firstSequence} and the newest copy ends before that`,
        )
      case 'fork':
        throw new PerduraError(
          'ERR_JOURNAL_CORRUPT',
          `state.db and journal/ in ${this.#options.folder} belong to different histories of the agent: ` +
            'put back the pair that belongs together',
        )
      case 'other-schema':
        throw new PerduraError(
          'ERR_STORE_SCHEMA',
          `the schema of state.db in ${this.#options.folder} is not the one that its journal was written for: something ` +
            'other than Perdura changed it. Undo that, or move state.db (with its -wal and -shm) away to rebuild it',
        )
      case 'corrupt':
        throw new PerduraError(
          'ERR_JOURNAL_CORRUPT',
          `${scan.segment} is damaged at byte ${scan.offset}, and changes after it are readable: nothing was ` +
            `changed, and the state up to change ${scan.lastValid} is intact. Restore journal/ from a copy`,
          { details: { segment: scan.segment, offset: scan.offset, lastValid: scan.lastValid } },
        )
    }
  }

  /** Closes what was opened, for a run that threw. */
  abandon(): void {
    this.#database?.close()
    this.#database = undefined
  }

  #openDatabase(): Database {
    const { files, log, copies } = this.#options
    // SQLite would delete a WAL that it finds beside an empty database, and believe one beside a restored database.
    if (files.exists() && files.sizeBytes() === 0 && this.#newestChain() > 0)
      this.#quarantine('empty database')
    if (files.exists()) {
      try {
        const database = (this.#database = files.open())
        this.#check(database)
        assertReadable(database, this.#migrations.length)
        if (schemaVersion(database) > 0) return database
        if (this.#newestChain() === 0 && (copies?.list() ?? []).length === 0) return database
        log.error('store:database:emptied', {})
      } catch (error) {
        if (!isCorruption(error)) throw error
        log.error('store:database:corrupt', { error: error as Error })
      }
      this.#quarantine('corrupt database')
    }
    if (this.#newestChain() > 0) return this.#rebuild()
    return restoreNewestBackup(this.#options) ? this.#openRebuilt() : this.#create()
  }

  #check(database: Database): void {
    if (this.#options.files.sizeBytes() > this.#limits.checkBytesMax) return
    const row = database.prepare('PRAGMA quick_check(1)').get() as { quick_check: string }
    if (row.quick_check !== 'ok')
      throw new PerduraError('ERR_STORE_CORRUPT', `the database is damaged: ${row.quick_check}`)
  }

  #create(): Database {
    this.#origin = 'created'
    return (this.#database = this.#options.files.open())
  }

  /** Whether a cut is nearer to what was last committed than the database, from which the journal cannot lead there. */
  #isOlderThanACut({ chain, sequence }: { chain: Chain; sequence: number }, scan: ChainScan): boolean {
    const { disk } = this.#options
    const newest = this.#newestChain()
    if (newest < chain.number) return false
    if (newest === chain.number && scan.kind !== 'gap' && scan.kind !== 'absent') return false
    const least = newest > chain.number ? 0 : scan.kind === 'gap' ? scan.firstSequence - 1 : sequence + 1
    const cuts = listCuts(disk, this.#folder).filter((cut) => cut.chain === newest && cut.sequence >= least)
    if (cuts.some((cut) => verifyCut(disk, this.#folder, cut))) return true
    if (newest > chain.number)
      throw this.#gap('state.db is older than its journal, and none of the copies is intact')
    return false
  }

  /** What a database holds that no longer has its journal must be on the medium before the journal is moved. */
  #checkpoint(database: Database): void {
    if (this.#options.files.checkpoint(database)) return
    throw new PerduraError('ERR_STORE_BUSY', 'another program is reading state.db: close it and start again')
  }

  /** A copy becomes the database; the journal does the rest. */
  #rebuild(): Database {
    if (!rebuildFromCopy(this.#options))
      throw this.#gap('none of the copies beside its journal is intact, and no backup reaches into it')
    return this.#openRebuilt()
  }

  #openRebuilt(): Database {
    const database = (this.#database = this.#options.files.open())
    assertReadable(database, this.#migrations.length)
    this.#origin = 'rebuilt'
    return database
  }

  #scan(position: JournalPosition & { chain: Chain }, visit: Parameters<typeof scanChain>[4]): ChainScan {
    return scanChain(this.#options.disk, this.#folder, position.chain, position, visit)
  }

  /** Applies what the database misses, many records a transaction. The tail has been made safe before. */
  #catchUp(database: Database, from: JournalPosition & { chain: Chain }, last: JournalPosition): number {
    if (from.sequence === last.sequence) return 0
    return applyRecords(database, (visit) => this.#scan(from, visit))
  }

  #withNewChain(
    database: Database,
    reason: NonNullable<StoreRecovery['newChain']>,
    found: { replayed: number; torn: number },
  ): ReturnType<Opening['run']> {
    const { random, log } = this.#options
    const number = this.#newestChain(database) + 1
    const { chain, base } = beginChain(database, this.#migrations, number, random.bytes(16))
    log[reason === 'created' || reason === 'migrated' ? 'info' : 'error']('store:chain:started', {
      reason,
      chain: number,
      sequence: base.sequence,
    })
    return this.#finishNewChain(database, { ...base, chain }, reason, found)
  }

  /** The chain is in the database; make that durable, take its first cut, and begin its journal. */
  #finishNewChain(
    database: Database,
    position: JournalPosition & { chain: Chain },
    reason: StoreRecovery['newChain'],
    found = { replayed: 0, torn: 0 },
  ): ReturnType<Opening['run']> {
    const { disk } = this.#options
    this.#checkpoint(database)
    const cuts = listCuts(disk, this.#folder)
    if (!cuts.some((cut) => cut.chain === position.chain.number)) {
      cutNow({ ...this.#options, folder: this.#folder }, database)
    }
    const retention = this.#retention(database)
    const journal = Journal.begin(this.#journalOptions(position.chain, retention), position)
    this.#retireChainsBefore(position.chain.number, cuts)
    retention.resume(journal)
    return { database, journal, retention, recovered: this.#recovered(found, reason) }
  }

  #journalOptions(chain: Chain, retention: Retention): JournalOptions {
    const { disk, log } = this.#options
    return {
      disk,
      folder: this.#folder,
      chain,
      segmentBytes: this.#limits.segmentBytes,
      onRotate: () => retention.rotated(),
      onPrepareError: (error) => log.warn('store:segment:unprepared', { error }),
    }
  }

  #retention(database: Database): Retention {
    return new Retention({ ...this.#options, folder: this.#folder, database, ...this.#limits })
  }

  #recovered(found: { replayed: number; torn: number }, newChain: StoreRecovery['newChain']): StoreRecovery {
    return { database: this.#origin, replayedRecords: found.replayed, tornBytes: found.torn, newChain }
  }

  /** The highest chain number that anything here knows; 0 when there is none. */
  #newestChain(database?: Database): number {
    const known = newestChain(this.#options.disk, this.#folder)
    if (database === undefined || schemaVersion(database) === 0) return known
    return Math.max(known, readPosition(database).chain.number)
  }

  /** The chain before is kept whole, as evidence and as an older past; what is before that goes. */
  #retireChainsBefore(number: number, cuts: readonly Cut[]): void {
    const { disk } = this.#options
    for (const cut of cuts) if (cut.chain < number - 1) removeCut(disk, this.#folder, cut)
    for (let chain = number - 2; chain > 0; chain--) {
      const indexes = segmentIndexes(disk, this.#folder, chain)
      if (indexes.length === 0) break
      for (const index of indexes) disk.remove(join(this.#folder, segmentName(chain, index)))
    }
  }

  #quarantine(reason: string): void {
    this.#database?.close()
    this.#database = undefined
    this.#options.files.quarantine(this.#quarantineFolder(reason))
  }

  #setAside(chain: number, reason: string): void {
    const { disk } = this.#options
    const target = this.#quarantineFolder(reason)
    disk.makeFolder(target)
    for (const index of segmentIndexes(disk, this.#folder, chain)) {
      const name = segmentName(chain, index)
      disk.rename(join(this.#folder, name), join(target, name))
    }
    disk.syncFolder(target)
    disk.syncFolder(this.#folder)
  }

  #quarantineFolder(reason: string): string {
    const folder = quarantineFolder(this.#options, this.#options.folder, reason)
    this.#options.log.error('store:evidence:kept', { folder, reason })
    return folder
  }

  #closeJournal(journal: Journal): void {
    // Nothing is being prepared this early, so there is nothing to wait for.
    void journal.close()
  }

  #gap(what: string): PerduraError {
    return new PerduraError(
      'ERR_STORE_GAP',
      `the agent in ${this.#options.folder} cannot be rebuilt: ${what}. Restore state.db and journal/ from a copy; ` +
        'nothing was deleted',
    )
  }
}
