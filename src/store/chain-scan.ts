import { join } from 'node:path'
import type { Disk, DiskFile } from '../platform/disk.ts'
import {
  chainTag,
  decodeRecord,
  decodeSegmentHeader,
  findRecord,
  isZero,
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
  | {
      readonly kind: 'intact'
      readonly last: JournalPosition
      readonly tail: Tail
      readonly damagedBefore: boolean
    }
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
  | {
      readonly kind: 'corrupt'
      readonly segment: string
      readonly offset: number
      readonly lastValid: number
    }

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
export function contentEnd(file: DiskFile, from: number): number {
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
    return {
      kind: 'corrupt',
      segment: segmentName(chain.number, indexes[0] ?? 0),
      offset: 0,
      lastValid: from.sequence,
    }
  }
  if (headers.some((header) => header !== undefined && !header.id.equals(chain.id))) return { kind: 'fork' }
  if (headers.some((header) => header !== undefined && !header.schema.equals(chain.schema)))
    return { kind: 'other-schema' }
  const startAt = headers.findLastIndex(
    (header) => header !== undefined && header.firstSequence <= from.sequence + 1,
  )
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
        record = findRecord(
          segment,
          offset,
          (found) => found.tag.equals(tag) && (isAt(found, from) || follows(found, from)),
        )
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
    if (restIsZero && next?.firstSequence === last.sequence + 1 && next.previousHash.equals(last.hash))
      continue
    if (!met && last.sequence >= from.sequence) return { kind: 'fork' }
    const rest = paths.slice(at + 1)
    const known = met ? last.sequence : from.sequence
    if (hasRecordAfter(disk, chain, known, segment.subarray(offset), rest)) {
      return { kind: 'corrupt', segment: segmentName(chain.number, index), offset, lastValid: last.sequence }
    }
    if (!met) return { kind: 'behind' }
    const tornLater = rest.map((path) => readSegment(disk, path)).filter((bytes) => !isZero(bytes))
    const tornBytes = tornLater.reduce(
      (sum, bytes) => sum + bytes.length,
      restIsZero ? 0 : segment.length - offset,
    )
    return {
      kind: 'intact',
      last,
      tail: { segmentIndex: index, offset, lastStart, tornBytes },
      damagedBefore,
    }
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
