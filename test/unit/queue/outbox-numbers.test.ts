import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expireDue } from '../../../src/queue/outbox-expiry.ts'
import { nextWaiting } from '../../../src/queue/outbox-line.ts'
import {
  beginNumbering,
  giveNumbers,
  nextSeq,
  pendingFrom,
  settleNumber,
  type Given,
} from '../../../src/queue/outbox-numbers.ts'
import { appendOutgoing, type NewOutgoing } from '../../../src/queue/outbox.ts'
import type { Priority } from '../../../src/queue/priority.ts'
import { openMemoryDb, withMemoryDb, type MemoryDb } from '../../helpers/memory-db.ts'

const hub = 'http://hub'
const windowMax = 20

/** An outbox, as its session uses it. */
class Outbox {
  readonly db: MemoryDb
  now = 1_000

  constructor(db: MemoryDb) {
    this.db = db
    db.write((tx) =>
      tx.run(
        "INSERT INTO session (hub, generation, rx_offset, state, reason, since) VALUES (?, 1, 0, 'idle', '', 0)",
        hub,
      ),
    )
  }

  add(id: string, options: Partial<NewOutgoing> & { readonly expiresAt?: number } = {}): void {
    const { expiresAt, ...given } = options
    const message = { id, turn: 0, to: 'Bo', conversation: id, content: id, hops: 0, inReplyTo: undefined }
    this.db.write((tx) => appendOutgoing(tx, { ...message, ...given }, this.now, expiresAt))
  }

  begin(rewound?: string): Given {
    return this.db.write((tx) => {
      beginNumbering(tx, rewound)
      return giveNumbers(tx, { hub, now: this.now, next: nextWaiting, windowMax })
    })
  }

  give(): Given {
    return this.db.write((tx) => giveNumbers(tx, { hub, now: this.now, next: nextWaiting, windowMax }))
  }

  settle(...seqs: readonly number[]): void {
    for (const seq of seqs) {
      const [message] = pendingFrom(this.db.reader, seq, { countMax: 1, bytesMax: 1_000 })
      if (message === undefined) throw new Error(`there is no ${seq}`)
      this.db.write((tx) => settleNumber(tx, { seq, id: message.id, error: undefined, hub }, this.now))
    }
  }

  /** What has a number and no verdict, in order. */
  get numbered(): string[] {
    return pendingFrom(this.db.reader, 1, { countMax: 10_000, bytesMax: 1_000_000 }).map(({ id }) => id)
  }

  again(): number[] {
    return pendingFrom(this.db.reader, 1, { countMax: 10_000, bytesMax: 1_000_000 }).map(({ again }) => again)
  }
}

const withOutbox = (use: (outbox: Outbox) => void): Promise<void> => withMemoryDb((db) => use(new Outbox(db)))

test('what is urgent gets its number before what was committed earlier', () =>
  withOutbox((outbox) => {
    for (const [id, priority] of Object.entries({
      a: 'low',
      b: 'normal',
      c: 'high',
      d: 'normal',
      e: 'high',
    })) {
      outbox.add(id, { priority: priority as Priority })
    }
    outbox.begin()
    assert.deepEqual(outbox.numbered, ['c', 'e', 'b', 'd', 'a'])
  }))

test('what stands before an urgent message in its conversation goes with it, in order', () =>
  withOutbox((outbox) => {
    outbox.add('other', { priority: 'normal' })
    outbox.add('talk 1', { conversation: 'talk', priority: 'low' })
    outbox.add('talk elsewhere', { conversation: 'talk', to: 'Cy', priority: 'low' })
    outbox.add('talk 2', { conversation: 'talk', priority: 'high' })
    outbox.add('talk 3', { conversation: 'talk', priority: 'low' })
    outbox.begin()
    assert.deepEqual(outbox.numbered, ['talk 1', 'talk 2', 'other', 'talk elsewhere', 'talk 3'])
  }))

test('every eighth number goes to the oldest, however urgent others are', () =>
  withOutbox((outbox) => {
    outbox.add('slow 1', { priority: 'low' })
    outbox.add('slow 2', { priority: 'low' })
    for (let count = 1; count <= 20; count++) outbox.add(`urgent ${count}`, { priority: 'high' })
    outbox.begin()
    const { numbered } = outbox
    assert.deepEqual([numbered.indexOf('slow 1'), numbered.indexOf('slow 2')], [7, 15])
  }))

test('only so many have numbers at a time, and a verdict makes room for the most urgent', () =>
  withOutbox((outbox) => {
    for (let count = 1; count <= windowMax + 10; count++) outbox.add(`m${count}`)
    outbox.begin()
    assert.equal(outbox.numbered.length, windowMax)
    outbox.add('urgent', { priority: 'high' })
    outbox.give()
    assert.equal(outbox.numbered.length, windowMax)
    outbox.settle(1)
    outbox.give()
    assert.deepEqual([outbox.numbered.at(0), outbox.numbered.at(-1)], ['m2', 'urgent'])
    assert.equal(nextSeq(outbox.db.reader), windowMax + 2)
  }))

test('what had a number keeps its place in another numbering, before whatever is more urgent', () =>
  withOutbox((outbox) => {
    outbox.add('a', { priority: 'low' })
    outbox.begin()
    outbox.add('b', { priority: 'low' })
    outbox.give()
    outbox.add('c', { priority: 'high' })
    outbox.begin()
    assert.deepEqual(
      [outbox.numbered, outbox.again(), nextSeq(outbox.db.reader)],
      [['a', 'b', 'c'], [0, 0, 0], 4],
    )
  }))

test('what a hub that was put back had accepted goes once more, in the old order, as far as there is room', () =>
  withOutbox((outbox) => {
    for (let count = 1; count <= windowMax; count++) outbox.add(`m${count}`)
    outbox.begin()
    for (let seq = 1; seq <= windowMax; seq++) outbox.settle(seq)
    for (let count = 1; count <= 5; count++) outbox.add(`n${count}`)
    outbox.give()
    outbox.add('urgent', { priority: 'high' })
    outbox.settle(windowMax + 1)
    const { again } = outbox.begin(hub)
    const all = [...range('m', windowMax), ...range('n', 5), 'urgent']
    assert.deepEqual(outbox.numbered, all.slice(0, windowMax))
    assert.equal(again.length, windowMax)
    outbox.settle(1, 2, 3)
    // Yet another numbering, before it has all been sent again: nothing is forgotten.
    outbox.begin()
    assert.deepEqual(outbox.numbered, all.slice(3, windowMax + 3))
    for (let seq = 1; seq <= 10; seq++) outbox.settle(seq)
    outbox.give()
    assert.deepEqual(outbox.numbered, all.slice(13))
    assert.deepEqual(outbox.again().slice(-6), [1, 1, 1, 1, 1, 0])
    outbox.settle(...Array.from({ length: outbox.numbered.length }, (_, index) => index + 11))
    assert.deepEqual(outbox.give(), { again: [], expired: [] })
    assert.deepEqual(outbox.numbered, [])
  }))

test('what had no verdict when the hub was put back is said to be known, even where that happens twice', () =>
  withOutbox((outbox) => {
    for (const id of range('m', windowMax)) outbox.add(id)
    outbox.begin()
    for (let seq = 1; seq <= windowMax; seq++) outbox.settle(seq)
    for (const id of range('n', windowMax)) outbox.add(id)
    outbox.give()
    outbox.begin(hub)
    assert.deepEqual(outbox.numbered, range('m', windowMax))
    outbox.begin(hub)
    assert.deepEqual(outbox.numbered, range('m', windowMax))
    for (let seq = 1; seq <= windowMax; seq++) outbox.settle(seq)
    outbox.give()
    assert.deepEqual(outbox.numbered, range('n', windowMax))
    assert.deepEqual(new Set(outbox.again()), new Set([1]))
    outbox.add('new')
    for (let seq = 1; seq <= windowMax; seq++) outbox.settle(windowMax + seq)
    outbox.give()
    assert.deepEqual([outbox.numbered, outbox.again()], [['new'], [0]])
  }))

test('what another hub accepted is none of the business of one that was put back', () =>
  withOutbox((outbox) => {
    outbox.add('a')
    outbox.begin()
    outbox.settle(1)
    assert.deepEqual([outbox.begin('http://other').again, outbox.numbered], [[], []])
  }))

test('what is due does not get a number, and what has one does not expire', () =>
  withOutbox((outbox) => {
    outbox.add('numbered', { expiresAt: 2_000 })
    outbox.begin()
    outbox.add('late', { expiresAt: 2_000 })
    outbox.add('in time', { expiresAt: 2_001 })
    outbox.now = 2_000
    const { expired } = outbox.give()
    assert.deepEqual(
      expired.map(({ sequence, to, sizeBytes }) => [sequence, to, sizeBytes]),
      [[2, 'Bo', 6]],
    )
    assert.deepEqual(outbox.numbered, ['numbered', 'in time'])
    const due = outbox.db.write((tx) => expireDue(tx, { now: 1_000_000, countMax: 10 }))
    assert.deepEqual(due, [])
  }))

test('a page of large messages ends before it fills the memory, and has one at least', () =>
  withOutbox((outbox) => {
    for (const id of ['a', 'b', 'c']) outbox.add(id, { content: 'x'.repeat(98) })
    outbox.begin()
    const page = (bytesMax: number): number =>
      pendingFrom(outbox.db.reader, 1, { countMax: 10, bytesMax }).length
    assert.deepEqual([page(10), page(200), page(300)], [1, 2, 3])
  }))

test('a message to the person at the terminal gets no number', () => {
  const db = openMemoryDb()
  const outbox = new Outbox(db)
  outbox.add('a', { to: 'you' })
  outbox.begin()
  assert.deepEqual([outbox.numbered, nextSeq(db.reader)], [[], 1])
  db.close()
})

function range(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`)
}
