import { join } from 'node:path'
import { PerduraError, toError } from '../errors.ts'
import type { Disk, DiskFile } from '../platform/disk.ts'
import { contentEnd, segmentIndexes, segmentName, type JournalPosition, type Tail } from './chain-scan.ts'
import {
  chainTag,
  encodeRecord,
  encodeSegmentHeader,
  recordSizeBytes,
  segmentHeaderBytes,
  type Chain,
} from './journal-record.ts'

export interface JournalOptions {
  readonly disk: Disk
  readonly folder: string
  readonly chain: Chain
  readonly segmentBytes: number
  /** Told when a segment has been filled and the next one begun. */
  readonly onRotate: () => void
  /** Told when the next segment could not be prepared; it is tried again when it is needed. */
  readonly onPrepareError: (error: Error) => void
}

/**
 * What must be free on the disk for a commit to begin: the WAL grows when the database commits, and then it is too
 * late to refuse. A batch changes some pages of the database for each row; this is room for two thousand of them.
 */
export const commitRoomBytes = 8_388_608

function noRoom(folder: string, cause?: unknown): PerduraError {
  const { code } = (cause ?? {}) as { readonly code?: unknown }
  const text =
    code === 'EMFILE' || code === 'ENFILE'
      ? `no file can be opened in ${folder}, since too many are (${code}): raise the limit of open files (ulimit -n, LimitNOFILE), or find what keeps them open`
      : `no room for changes in ${folder}: free some disk space`
  return new PerduraError('ERR_STORE_WRITE', text, { cause })
}

/** The writing end of one chain: one record a commit, appended in place and synced. */
export class Journal {
  readonly chain: Chain
  readonly #options: JournalOptions
  readonly #tag: Buffer
  #last: JournalPosition
  #file: DiskFile
  /** Of the current segment; asked once, since every commit needs it. */
  #segmentBytes: number
  #segmentIndex: number
  #offset: number
  /** What may be committed before the disk is asked again how much room it has. */
  #allowedBytes = 0
  #preparing: Promise<void> | undefined
  #prepared = false

  private constructor(options: JournalOptions, last: JournalPosition, segmentIndex: number, offset: number) {
    this.chain = options.chain
    this.#tag = chainTag(options.chain)
    this.#options = options
    this.#last = last
    this.#segmentIndex = segmentIndex
    this.#offset = offset
    this.#file = options.disk.open(this.#path(segmentIndex))
    this.#segmentBytes = this.#file.sizeBytes
    this.#prepared = options.disk.exists(this.#path(segmentIndex + 1))
  }

  /** Starts a chain: its first segment, with its header on disk. Repeatable after a crash. */
  static begin(options: JournalOptions, base: JournalPosition): Journal {
    const { disk, folder, chain } = options
    const path = join(folder, segmentName(chain.number, 1))
    if (disk.exists(path)) disk.remove(path)
    disk.prepareZerosNow(path, options.segmentBytes)
    const file = disk.open(path)
    try {
      file.write(
        0,
        encodeSegmentHeader({ ...chain, firstSequence: base.sequence + 1, previousHash: base.hash }),
      )
      file.sync()
    } finally {
      file.close()
    }
    return new Journal(options, base, 1, segmentHeaderBytes)
  }

  /**
   * Goes on with a chain that was found intact. What the page cache shows may not be on the medium (the process
   * before may have died between write and sync, or its sync may have failed): the last record is written again,
   * torn bytes are zeroed, and both are synced, before anybody believes them.
   */
  static resume(options: JournalOptions, last: JournalPosition, tail: Tail): Journal {
    const { disk, folder, chain } = options
    for (const index of segmentIndexes(disk, folder, chain.number)) {
      if (index < tail.segmentIndex) continue
      const current = index === tail.segmentIndex
      const file = disk.open(join(folder, segmentName(chain.number, index)))
      try {
        const keep = current ? file.read(tail.lastStart, tail.offset - tail.lastStart) : Buffer.alloc(0)
        const from = current ? tail.offset : 0
        const tornEnd = contentEnd(file, from)
        if (keep.length > 0) file.write(tail.lastStart, keep)
        if (tornEnd > from) file.write(from, Buffer.alloc(tornEnd - from))
        file.sync()
      } finally {
        file.close()
      }
    }
    return new Journal(options, last, tail.segmentIndex, tail.offset)
  }

  get last(): JournalPosition {
    return this.#last
  }

  get segmentIndex(): number {
    return this.#segmentIndex
  }

  /** Makes sure that a record of this size can be written, and committed. May throw; nothing has happened then. */
  reserve(payloadBytes: number): void {
    this.#reserveRoom(payloadBytes)
    if (this.#fits(payloadBytes)) return
    const { disk, folder, segmentBytes } = this.#options
    const next = this.#path(this.#segmentIndex + 1)
    const needed = segmentHeaderBytes + recordSizeBytes(payloadBytes)
    try {
      if (!this.#prepared && disk.exists(next)) {
        // Its preparation has come as far as the rename: all that is missing is the folder's sync.
        disk.syncFolder(folder)
        this.#prepared = true
      }
      if (this.#prepared && this.#spareBytes(next) >= needed) return
      if (this.#prepared) disk.remove(next)
      this.#prepared = false
      disk.prepareZerosNow(next, Math.max(segmentBytes, Math.ceil(needed / 4096) * 4096))
    } catch (cause) {
      throw noRoom(folder, cause)
    }
    this.#prepared = true
  }

  /** Writes the record and syncs it: when this returns, the commit has happened. After a throw nothing may go on. */
  append(payload: Uint8Array, committedAt: number): JournalPosition {
    const sequence = this.#last.sequence + 1
    const record = encodeRecord({
      sequence,
      committedAt,
      tag: this.#tag,
      previousHash: this.#last.hash,
      payload,
    })
    if (this.#fits(payload.length)) {
      this.#file.write(this.#offset, record.bytes)
      this.#file.sync()
      this.#offset += record.bytes.length
    } else {
      this.#appendToNext(record.bytes)
    }
    this.#last = { sequence, hash: record.hash }
    this.#prepareAhead()
    return this.#last
  }

  async close(): Promise<void> {
    await this.#preparing
    this.#file.close()
  }

  #appendToNext(record: Buffer): void {
    const header = encodeSegmentHeader({
      ...this.chain,
      firstSequence: this.#last.sequence + 1,
      previousHash: this.#last.hash,
    })
    const file = this.#options.disk.open(this.#path(this.#segmentIndex + 1))
    file.write(0, Buffer.concat([header, record]))
    file.sync()
    this.#file.close()
    this.#file = file
    this.#segmentBytes = file.sizeBytes
    this.#segmentIndex += 1
    this.#offset = header.length + record.length
    this.#prepared = false
    this.#preparing = undefined
    this.#options.onRotate()
  }

  #prepareAhead(): void {
    if (this.#prepared || this.#preparing !== undefined || this.#offset < this.#segmentBytes / 2) return
    const index = this.#segmentIndex + 1
    // Tried once a segment: when it fails, `reserve` does it when the segment is needed.
    this.#preparing = this.#options.disk.prepareZeros(this.#path(index), this.#options.segmentBytes).then(
      () => {
        if (index === this.#segmentIndex + 1) this.#prepared = true
      },
      (error: unknown) => {
        if (index === this.#segmentIndex + 1) this.#options.onPrepareError(toError(error))
      },
    )
  }

  /** Asks the disk every now and then only: asking takes 6 µs, a fortieth of a commit. */
  #reserveRoom(payloadBytes: number): void {
    const { disk, folder } = this.#options
    const needed = 65_536 + 4 * payloadBytes
    if (needed <= this.#allowedBytes) {
      this.#allowedBytes -= needed
      return
    }
    if (disk.freeBytes(folder) < commitRoomBytes + needed) throw noRoom(folder)
    this.#allowedBytes = commitRoomBytes / 8
  }

  #fits(payloadBytes: number): boolean {
    return this.#offset + recordSizeBytes(payloadBytes) <= this.#segmentBytes
  }

  #spareBytes(path: string): number {
    const file = this.#options.disk.open(path)
    try {
      return file.sizeBytes
    } finally {
      file.close()
    }
  }

  #path(index: number): string {
    return join(this.#options.folder, segmentName(this.chain.number, index))
  }
}
