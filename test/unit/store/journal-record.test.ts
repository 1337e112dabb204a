import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  chainSeed,
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
} from '../../../src/store/journal-record.ts'

const chain: Chain = { number: 7, id: Buffer.alloc(16, 1), schema: Buffer.alloc(8, 2) }
const other: Chain = { ...chain, id: Buffer.alloc(16, 3) }

function recordOf(payload: string | Buffer, sequence = 1, of: Chain = chain): Buffer {
  return encodeRecord({
    sequence,
    committedAt: 1_700_000_000_000,
    tag: chainTag(of),
    previousHash: chainSeed(of),
    payload: Buffer.from(payload),
  }).bytes
}

test('a record gives back what was put into it', () => {
  const payload = Buffer.from('a change set')
  const { bytes, hash } = encodeRecord({
    sequence: 2 ** 40,
    committedAt: 1_700_000_000_123,
    tag: chainTag(chain),
    previousHash: chainSeed(chain),
    payload,
  })
  const record = decodeRecord(Buffer.concat([Buffer.alloc(24), bytes]), 24)
  assert.deepEqual(record, {
    sequence: 2 ** 40,
    committedAt: 1_700_000_000_123,
    tag: chainTag(chain),
    previousHash: chainSeed(chain),
    payload,
    hash,
    start: 24,
    end: 24 + bytes.length,
  })
})

test('the size of a record is a multiple of eight, whatever its payload, and that of its bytes', () => {
  for (let size = 0; size < 40; size++) {
    const bytes = recordOf(Buffer.alloc(size, 5))
    assert.equal(bytes.length, recordSizeBytes(size))
    assert.equal(bytes.length % 8, 0)
    assert.equal(decodeRecord(bytes, 0)?.payload.length, size)
  }
})

test('every single flipped bit of a record is detected, its padding aside', () => {
  const payload = 'thirteen byte'
  const bytes = recordOf(payload)
  const covered = 64 + payload.length + 32
  for (let bit = 0; bit < covered * 8; bit++) {
    flip(bytes, bit)
    assert.equal(decodeRecord(bytes, 0), undefined, `bit ${bit}`)
    flip(bytes, bit)
  }
  assert.ok(decodeRecord(bytes, 0))
})

test('no prefix of a record is a record, whether zeros follow or nothing', () => {
  const bytes = recordOf('x'.repeat(100))
  for (let length = 0; length < 64 + 100 + 32; length++) {
    assert.equal(decodeRecord(bytes.subarray(0, length), 0), undefined)
    const torn = Buffer.alloc(bytes.length)
    bytes.copy(torn, 0, 0, length)
    assert.equal(decodeRecord(torn, 0), undefined, `${length} bytes`)
  }
})

test('a length that reaches beyond the segment is no record', () => {
  const bytes = recordOf('abc')
  bytes.writeUInt32LE(0xffff_ffff, 4)
  assert.equal(decodeRecord(bytes, 0), undefined)
})

test('chains differ in their tags when they differ in number, identifier or schema', () => {
  const tags = [chain, { ...chain, number: 8 }, other, { ...chain, schema: Buffer.alloc(8, 9) }].map((one) =>
    chainTag(one).toString('hex'),
  )
  assert.equal(new Set(tags).size, 4)
})

test('a record behind damage is found; one of another chain is not wanted', () => {
  const damage = Buffer.from('PJR1 and then nothing that makes sense')
  const segment = Buffer.concat([damage, recordOf('foreign', 5, other), damage, recordOf('mine', 6)])
  const found = findRecord(segment, 0, (record) => record.tag.equals(chainTag(chain)))
  assert.deepEqual([found?.sequence, found?.payload.toString()], [6, 'mine'])
  assert.equal(
    findRecord(segment, 0, (record) => record.sequence === 9),
    undefined,
  )
})

test('a whole journal inside a payload is read as payload', () => {
  const inner = Buffer.concat([
    encodeSegmentHeader({ ...other, firstSequence: 1, previousHash: chainSeed(other) }),
    recordOf('inner', 1, other),
    recordOf('inner', 2, other),
  ])
  const segment = Buffer.concat([recordOf(inner, 1), recordOf('after', 2), Buffer.alloc(512)])
  const first = decodeRecord(segment, 0)
  assert.deepEqual(first?.payload, inner)
  const second = decodeRecord(segment, first?.end ?? 0)
  assert.equal(second?.payload.toString(), 'after')
  assert.equal(decodeRecord(segment, second?.end ?? 0), undefined)
  // Should the outer record be torn, the inner ones are there to be seen, and not of this chain.
  segment[10] = 0xff
  const found = findRecord(segment, 0, (record) => record.tag.equals(chainTag(chain)))
  assert.equal(found?.sequence, 2)
})

test('a segment header gives back what was put into it', () => {
  const header = { ...chain, firstSequence: 12, previousHash: chainSeed(chain) }
  const bytes = encodeSegmentHeader(header)
  assert.equal(bytes.length, segmentHeaderBytes)
  assert.deepEqual(decodeSegmentHeader(bytes), header)
})

test('every single flipped bit of a segment header is detected, its unused end aside', () => {
  const bytes = encodeSegmentHeader({ ...chain, firstSequence: 12, previousHash: chainSeed(chain) })
  for (let bit = 0; bit < 112 * 8; bit++) {
    flip(bytes, bit)
    assert.equal(decodeSegmentHeader(bytes), undefined, `bit ${bit}`)
    flip(bytes, bit)
  }
})

test('a spare segment, a short file and nothing have no header', () => {
  assert.equal(decodeSegmentHeader(Buffer.alloc(4096)), undefined)
  const bytes = encodeSegmentHeader({ ...chain, firstSequence: 1, previousHash: chainSeed(chain) })
  assert.equal(decodeSegmentHeader(bytes.subarray(0, 127)), undefined)
  assert.equal(decodeSegmentHeader(Buffer.alloc(0)), undefined)
})

test('bytes are zero where all of them are, also beyond the first piece', () => {
  const bytes = Buffer.alloc(200_000)
  assert.equal(isZero(bytes), true)
  assert.equal(isZero(Buffer.alloc(0)), true)
  for (const at of [0, 65_535, 65_536, 199_999]) {
    bytes[at] = 1
    assert.equal(isZero(bytes), false, `byte ${at}`)
    bytes[at] = 0
  }
})

function flip(bytes: Buffer, bit: number): void {
  const at = bit >> 3
  bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7))
}
