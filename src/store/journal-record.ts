import { hash } from 'node:crypto'

/*
 * The bytes of the journal. All integers are little-endian.
 *
 *   segment header, 128 bytes              record, 64 + payload + 32 bytes, padded to 8
 *     0  magic "PJS1"                        0  magic "PJR1"
 *     4  format version, u32                 4  payload length, u32
 *     8  chain number, u64                   8  sequence, u64
 *    16  chain identifier, 16 bytes         16  wall-clock ms of the commit, u64
 *    32  sequence of the first record, u64  24  tag of chain and schema, 8 bytes
 *    40  schema hash, 8 bytes               32  hash of the record before, 32 bytes
 *    48  hash of the record before, 32      64  payload (a change set)
 *    80  SHA-256 of bytes 0 to 79            …  SHA-256 of everything above
 *
 * The tag is the start of the chain's seed hash, which covers number, identifier and schema: a record of another chain
 * or another schema is never taken for one of this. A record names the hash of the one before and covers it with its
 * own, so each can be checked by itself: that tells a torn tail (nothing valid follows) from corruption (something does).
 */

export const segmentHeaderBytes = 128
const recordHeaderBytes = 64
const hashBytes = 32
const recordMagic = Buffer.from('PJR1')
const segmentMagic = Buffer.from('PJS1')
const formatVersion = 1

export interface Chain {
  /** Rises by one with every new chain of an agent. */
  readonly number: number
  /** 16 random bytes: two chains of one number (a copied agent) are not mistaken for each other. */
  readonly id: Uint8Array
  /** 8 bytes that stand for the schema which every record of the chain belongs to. */
  readonly schema: Uint8Array
}

export interface SegmentHeader {
  readonly number: number
  readonly id: Buffer
  readonly schema: Buffer
  readonly firstSequence: number
  readonly previousHash: Buffer
}

export interface JournalRecord {
  readonly sequence: number
  readonly committedAt: number
  readonly tag: Buffer
  readonly previousHash: Buffer
  readonly payload: Buffer
  readonly hash: Buffer
  /** Where the record starts and the next one would, in bytes of the segment. */
  readonly start: number
  readonly end: number
}

/** The hash before the first record of a chain. */
export function chainSeed(chain: Chain): Buffer {
  const number = Buffer.alloc(8)
  number.writeBigUInt64LE(BigInt(chain.number))
  return sha256(Buffer.concat([Buffer.from('perdura journal chain'), number, chain.id, chain.schema]))
}

/** What each record of the chain carries. */
export function chainTag(chain: Chain): Buffer {
  return chainSeed(chain).subarray(0, 8)
}

export function recordSizeBytes(payloadBytes: number): number {
  return Math.ceil((recordHeaderBytes + payloadBytes + hashBytes) / 8) * 8
}

export function encodeRecord(record: {
  readonly sequence: number
  readonly committedAt: number
  readonly tag: Uint8Array
  readonly previousHash: Uint8Array
  readonly payload: Uint8Array
}): { readonly bytes: Buffer; readonly hash: Buffer } {
  const bytes = Buffer.alloc(recordSizeBytes(record.payload.length))
  recordMagic.copy(bytes, 0)
  bytes.writeUInt32LE(record.payload.length, 4)
  bytes.writeBigUInt64LE(BigInt(record.sequence), 8)
  bytes.writeBigUInt64LE(BigInt(record.committedAt), 16)
  bytes.set(record.tag, 24)
  bytes.set(record.previousHash, 32)
  bytes.set(record.payload, recordHeaderBytes)
  const covered = recordHeaderBytes + record.payload.length
  const digest = sha256(bytes.subarray(0, covered))
  bytes.set(digest, covered)
  return { bytes, hash: digest }
}

/** The record at `start`, or undefined where there is none that its own hash confirms. */
export function decodeRecord(segment: Buffer, start: number): JournalRecord | undefined {
  if (start + recordHeaderBytes + hashBytes > segment.length) return undefined
  if (!segment.subarray(start, start + 4).equals(recordMagic)) return undefined
  const payloadBytes = segment.readUInt32LE(start + 4)
  const covered = start + recordHeaderBytes + payloadBytes
  if (covered + hashBytes > segment.length) return undefined
  const digest = segment.subarray(covered, covered + hashBytes)
  if (!sha256(segment.subarray(start, covered)).equals(digest)) return undefined
  return {
    sequence: Number(segment.readBigUInt64LE(start + 8)),
    committedAt: Number(segment.readBigUInt64LE(start + 16)),
    tag: segment.subarray(start + 24, start + 32),
    previousHash: segment.subarray(start + 32, start + 64),
    payload: segment.subarray(start + recordHeaderBytes, covered),
    hash: digest,
    start,
    end: start + recordSizeBytes(payloadBytes),
  }
}

/** The first self-consistent record at or after `from` that `wanted` accepts. */
export function findRecord(
  segment: Buffer,
  from: number,
  wanted: (record: JournalRecord) => boolean,
): JournalRecord | undefined {
  for (let at = segment.indexOf(recordMagic, from); at !== -1; at = segment.indexOf(recordMagic, at + 1)) {
    const record = decodeRecord(segment, at)
    if (record !== undefined && wanted(record)) return record
  }
  return undefined
}

export function encodeSegmentHeader(
  header: Chain & Pick<SegmentHeader, 'firstSequence' | 'previousHash'>,
): Buffer {
  const bytes = Buffer.alloc(segmentHeaderBytes)
  segmentMagic.copy(bytes, 0)
  bytes.writeUInt32LE(formatVersion, 4)
  bytes.writeBigUInt64LE(BigInt(header.number), 8)
  bytes.set(header.id, 16)
  bytes.writeBigUInt64LE(BigInt(header.firstSequence), 32)
  bytes.set(header.schema, 40)
  bytes.set(header.previousHash, 48)
  bytes.set(sha256(bytes.subarray(0, 80)), 80)
  return bytes
}

/** The header, or undefined where its hash does not confirm it (a spare segment is all zeros). */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < segmentHeaderBytes || !bytes.subarray(0, 4).equals(segmentMagic)) return undefined
  if (!sha256(bytes.subarray(0, 80)).equals(bytes.subarray(80, 112))) return undefined
  if (bytes.readUInt32LE(4) !== formatVersion) return undefined
  return {
    number: Number(bytes.readBigUInt64LE(8)),
    id: bytes.subarray(16, 32),
    firstSequence: Number(bytes.readBigUInt64LE(32)),
    schema: bytes.subarray(40, 48),
    previousHash: bytes.subarray(48, 80),
  }
}

const zeros = Buffer.alloc(65_536)

export function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += zeros.length) {
    const chunk = bytes.subarray(at, at + zeros.length)
    if (!chunk.equals(zeros.subarray(0, chunk.length))) return false
  }
  return true
}

function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer')
}
