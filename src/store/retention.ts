import { join } from 'node:path'
import { toError } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { Log } from '../platform/log.ts'
import type { CopySource } from './copy-source.ts'
import { segmentIndexes, segmentName } from './chain-scan.ts'
import { cutBeside, listCuts, removeCut, removeUnfinishedCuts } from './cut.ts'
import type { Database } from '../platform/database.ts'
import type { DatabaseFiles } from './database.ts'
import type { Journal } from './journal.ts'
import { decodeSegmentHeader, segmentHeaderBytes } from './journal-record.ts'

export interface RetentionOptions {
  readonly folder: string
  readonly disk: Disk
  readonly clock: Clock
  readonly files: DatabaseFiles
  readonly database: Database
  readonly log: Log
  readonly cutEverySegments: number
  /** Filled segments that are kept for a backup's sake, at most. */
  readonly segmentsForBackupsMax: number
  readonly copies?: CopySource
}

const cutsKept = 2

/**
 * Keeps the journal bounded. Every so many filled segments the database is checkpointed and a cut taken; the two
 * newest cuts stay, and a segment goes once it lies wholly below the checkpoint, the older of the two cuts, and the newest
 * backup that is proven, so that each of them leads to the end. For a backup that has become old the journal does not grow
 * beyond its bound: then it goes by the cuts alone.
 */
export class Retention {
  readonly #options: RetentionOptions
  #journal: Journal | undefined
  #filledSinceCut = 0
  #running: Promise<void> | undefined
  #closed = false

  constructor(options: RetentionOptions) {
    this.#options = options
  }

  /** Starts keeping a journal; what was filled before counts. */
  resume(journal: Journal): void {
    this.#journal = journal
    const { disk, folder } = this.#options
    const newest = listCuts(disk, folder).findLast((cut) => cut.chain === journal.chain.number)
    this.#filledSinceCut = this.#segments(journal).filter(({ end }) => end > (newest?.sequence ?? 0)).length
  }

  rotated(): void {
    this.#filledSinceCut += 1
    if (this.#filledSinceCut < this.#options.cutEverySegments || this.#running !== undefined || this.#closed)
      return
    this.#running = this.#runOnce()
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #runOnce(): Promise<void> {
    try {
      await this.#run()
    } catch (thrown) {
      // The journal only grows until the next attempt, one segment from now.
      this.#options.log.error('store:retention:failed', { error: toError(thrown) })
    }
    this.#running = undefined
  }

  async #run(): Promise<void> {
    const { disk, folder, files, database, log } = this.#options
    const journal = this.#journal
    if (journal === undefined) return
    // Leave the commit that filled the segment first.
    await new Promise<void>((resolve) => this.#options.clock.defer(resolve))
    const checkpointed = journal.last.sequence
    if (!files.checkpoint(database)) return
    const filled = this.#filledSinceCut
    const cut = await cutBeside(this.#options)
    this.#filledSinceCut -= filled
    const cuts = listCuts(disk, folder).filter(({ chain }) => chain === journal.chain.number)
    for (const old of cuts.slice(0, -cutsKept)) removeCut(disk, folder, old)
    removeUnfinishedCuts(disk, folder)
    const floor = Math.min(checkpointed, cuts.at(-cutsKept)?.sequence ?? 0)
    const proven = this.#options.copies?.provenSequence(journal.chain.number) ?? Infinity
    const segments = this.#segments(journal)
    let removed = 0
    for (const { name, end } of segments) {
      const isForBackup = end > proven && segments.length - removed <= this.#options.segmentsForBackupsMax
      if (end > floor || isForBackup) break
      disk.remove(join(folder, name))
      removed += 1
    }
    disk.syncFolder(folder)
    log.info('store:cut:taken', { cut: cut.name, segmentsRemoved: removed })
  }

  /** The filled segments, oldest first, with the last sequence that each holds. */
  #segments(journal: Journal): { readonly name: string; readonly end: number }[] {
    const { disk, folder } = this.#options
    const indexes = segmentIndexes(disk, folder, journal.chain.number).filter(
      (index) => index <= journal.segmentIndex,
    )
    const starts = indexes.map((index) => {
      const file = disk.open(join(folder, segmentName(journal.chain.number, index)))
      try {
        return decodeSegmentHeader(file.read(0, segmentHeaderBytes))?.firstSequence
      } finally {
        file.close()
      }
    })
    return indexes.slice(0, -1).map((index, at) => ({
      name: segmentName(journal.chain.number, index),
      // Where the next header cannot be read, nobody knows what lies below it: such a segment stays.
      end: (starts[at + 1] ?? Infinity) - 1,
    }))
  }
}
