import { join } from 'node:path'
import { PerduraError, toError } from '../errors.ts'
import type { Disk, DiskFile } from '../platform/disk.ts'
import {
  chainTag,
  decodeRecord,
  decodeSegmentHeader,
  encodeRecord,
  encodeSegmentHeader,
  findRecord,
  isZero,
  recordSizeBytes,
  segmentHeaderBytes,
  type Chain,
  type JournalRecord,
  type SegmentHeader,
} from './journal-record.ts'

/** Where a database or a journal stands: the last change that it holds. */
export interface JournalPosition {
  readonly sequence: number
  readonly hash: Buffer
}

/** What a look at a chain found; nothing has been changed by looking. */
export type ChainScan =
  /** All records after `from` were handed over; the tail may have to be repaired before the chain is believed. */
  | { readonly kind: 'intact'; readonly last: JournalPosition; readonly tail: Tail; readonly damagedBefore: boolean }
  /** No segment of the chain has been begun, or none is left. */
  | { readonly kind: 'absent' }
  /** The chain's records belong to another schema than the database has. */
  | { readonly kind: 'other-schema' }
  /** The chain ends before `from`: it lost what the database still has. */
  | { readonly kind: 'behind' }
  /** The chain has another record where the database stands, or another identifier. */
  | { readonly kind: 'fork' }
  /** The chain starts after `from`: records in between were retired. */
  | { readonly kind: 'gap'; readonly firstSequence: number }
  /** A bad record after `from`, with valid ones behind it. */
  | { readonly kind: 'corrupt'; readonly segment: string; readonly offset: number; readonly lastValid: number }

/** Where the next record goes, and what must be made safe before that. */
export interface Tail {
  readonly segmentIndex: number
  readonly offset: number
  /** Start of the last record (or header): its bytes are written again, for a sync that failed may have dropped them. */
  readonly lastStart: number
  /** Bytes after `offset`, and in later segments, that a torn write left behind. */
  readonly tornBytes: number
}

export function segmentName(chain: number, index: number): string {
  return `${String(chain).padStart(6, '0')}-${String(index).padStart(8, '0')}.segment`
}

/** Indexes of the chain's segments, rising; spares included. */
export function segmentIndexes(disk: Disk, folder: string, chain: number): number[] {
  const prefix = `${String(chain).padStart(6, '0')}-`
  return disk
    .list(folder)
    .filter((name) => name.startsWith(prefix) && name.endsWith('.segment'))
    .map((name) => Number(name.slice(prefix.length, -'.segment'.length)))
    .toSorted((a, b) => a - b)
}

/** The segment up to where only zeros follow: most of a segment is zeros, and they need no memory. */
function readSegment(disk: Disk, path: string): Buffer {
  const file = disk.open(path)
  try {
    // The end of a record may be zeros as well: the last bytes of its hash, by chance, and its padding.
    const recordEndBytes = 64
    return file.read(0, Math.min(file.sizeBytes, contentEnd(file, 0) + recordEndBytes))
  } finally {
    file.close()
  }
}

/** Where the last piece of the file ends, at or after `from`, that is not all zeros; `from` where there is none. */
function contentEnd(file: DiskFile, from: number): number {
  const piece = Buffer.alloc(65_536)
  for (let end = file.sizeBytes; end > from; end -= piece.length) {
    const start = Math.max(from, end - piece.length)
    if (!isZero(file.read(start, end - start, piece))) return end
  }
  return from
}

/**
 * Walks the chain from the segment that holds `from` and hands over each record after it, in order. Only looks. What
 * was handed over may be applied once the result is `intact` and the tail has been repaired.
 */
export function scanChain(
  disk: Disk,
  folder: string,
  chain: Chain,
  from: JournalPosition,
  visit: (record: JournalRecord) => void,
): ChainScan {
  const indexes = segmentIndexes(disk, folder, chain.number)
  const paths = indexes.map((index) => join(folder, segmentName(chain.number, index)))
  const headers = paths.map((path) => readHeader(disk, path))
  const firstUsed = headers.findIndex((header) => header !== undefined)
  if (firstUsed === -1) {
    if (!hasRecordAfter(disk, chain, from.sequence, Buffer.alloc(0), paths)) return { kind: 'absent' }
    return { kind: 'corrupt', segment: segmentName(chain.number, indexes[0] ?? 0), offset: 0, lastValid: from.sequence }
  }
  if (headers.some((header) => header !== undefined && !header.id.equals(chain.id))) return { kind: 'fork' }
  if (headers.some((header) => header !== undefined && !header.schema.equals(chain.schema))) return { kind: 'other-schema' }
  const startAt = headers.findLastIndex((header) => header !== undefined && header.firstSequence <= from.sequence + 1)
  if (startAt === -1) return { kind: 'gap', firstSequence: headers[firstUsed]?.firstSequence ?? 0 }
  const startHeader = headers[startAt] as SegmentHeader

  const tag = chainTag(chain)
  let last: JournalPosition = { sequence: startHeader.firstSequence - 1, hash: startHeader.previousHash }
  let met = isAt(last, from)
  let damagedBefore = false

  for (let at = startAt; ; at++) {
    const index = indexes[at] as number
    const segment = readSegment(disk, paths[at] as string)
    let offset = segmentHeaderBytes
    let lastStart = 0
    for (;;) {
      let record = decodeRecord(segment, offset)
      if (record !== undefined && !(follows(record, last) && record.tag.equals(tag))) record = undefined
      if (record === undefined && !met) {
        // Damage below what the database holds costs nothing yet: go on from where the database stands.
        record = findRecord(segment, offset, (found) => found.tag.equals(tag) && (isAt(found, from) || follows(found, from)))
        damagedBefore ||= record !== undefined
      }
      if (record === undefined) break
      if (met || follows(record, from)) {
        met = true
        visit(record)
      } else {
        met = isAt(record, from)
      }
      last = { sequence: record.sequence, hash: Buffer.from(record.hash) }
      lastStart = record.start
      offset = record.end
    }

    const next = headers[at + 1]
    const restIsZero = isZero(segment.subarray(offset))
    if (restIsZero && next?.firstSequence === last.sequence + 1 && next.previousHash.equals(last.hash)) continue
    if (!met && last.sequence >= from.sequence) return { kind: 'fork' }
    const rest = paths.slice(at + 1)
    const known = met ? last.sequence : from.sequence
    if (hasRecordAfter(disk, chain, known, segment.subarray(offset), rest)) {
      return { kind: 'corrupt', segment: segmentName(chain.number, index), offset, lastValid: last.sequence }
    }
    if (!met) return { kind: 'behind' }
    const tornLater = rest.map((path) => readSegment(disk, path)).filter((bytes) => !isZero(bytes))
    const tornBytes = tornLater.reduce((sum, bytes) => sum + bytes.length, restIsZero ? 0 : segment.length - offset)
    return { kind: 'intact', last, tail: { segmentIndex: index, offset, lastStart, tornBytes }, damagedBefore }
  }
}

function follows(record: JournalRecord, position: JournalPosition): boolean {
  return record.sequence === position.sequence + 1 && record.previousHash.equals(position.hash)
}

function isAt(place: JournalPosition, position: JournalPosition): boolean {
  return place.sequence === position.sequence && place.hash.equals(position.hash)
}

function readHeader(disk: Disk, path: string): SegmentHeader | undefined {
  const file = disk.open(path)
  try {
    return decodeSegmentHeader(file.read(0, segmentHeaderBytes))
  } finally {
    file.close()
  }
}

/**
 * Whether a valid record of the chain stands behind a bad one: then the bad one is no torn tail. Of what was never
 * acknowledged there is at most one record, the next: one batch is in flight at a time.
 */
function hasRecordAfter(
  disk: Disk,
  chain: Chain,
  sequence: number,
  rest: Buffer,
  laterSegments: readonly string[],
): boolean {
  const tag = chainTag(chain)
  const isLater = (record: JournalRecord): boolean => record.sequence > sequence && record.tag.equals(tag)
  if (findRecord(rest, 0, isLater) !== undefined) return true
  return laterSegments.some((path) => {
    const header = readHeader(disk, path)
    if (header !== undefined && header.firstSequence > sequence + 1) return true
    return findRecord(readSegment(disk, path), 0, isLater) !== undefined
  })
}

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
const commitRoomBytes = 8_388_608

function noRoom(folder: string, cause?: unknown): PerduraError {
  return new PerduraError('ERR_STORE_WRITE', `no room for changes in ${folder}: free some disk space`, { cause })
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
      file.write(0, encodeSegmentHeader({ ...chain, firstSequence: base.sequence + 1, previousHash: base.hash }))
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
    const { disk, folder, segmentBytes } = this.#options
    if (disk.freeBytes(folder) < commitRoomBytes + 4 * payloadBytes) throw noRoom(folder)
    if (this.#fits(payloadBytes)) return
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
