import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bound } from '../../../src/queue/bound.ts'
import type { Tx } from '../../../src/store/store.ts'
import { code } from '../../helpers/store-folder.ts'

/** A transaction that can be undone. */
function transaction(): Tx & { undo(): void } {
  const undo: (() => void)[] = []
  return {
    run: () => ({ changes: 0 }),
    get: () => undefined,
    all: () => [],
    onUndo: (callback) => void undo.push(callback),
    onCommit: () => undefined,
    undo: () => {
      for (const callback of undo.toReversed()) callback()
    },
  }
}

function boundOf(countMax: number, bytesMax: number, held = { count: 0, bytes: 0 }): Bound {
  return new Bound('ERR_INBOX_FULL', 'the inbox', { countMax, bytesMax }, held)
}

test('a bound takes as many entries as it may, and refuses the next with its code and what it holds', () => {
  const bound = boundOf(2, 1_000)
  bound.add(transaction(), 10)
  bound.add(transaction(), 20)
  const full = code('ERR_INBOX_FULL', /the inbox holds 2 entries of 30 bytes .* try again later/)
  assert.throws(() => bound.add(transaction(), 1), full)
})

test('a bound takes as many bytes as it may', () => {
  const bound = boundOf(100, 30)
  bound.add(transaction(), 10)
  assert.throws(() => bound.add(transaction(), 21), code('ERR_INBOX_FULL'))
  bound.add(transaction(), 20)
  assert.throws(() => bound.add(transaction(), 1), code('ERR_INBOX_FULL'))
})

test('what was refused is not counted', () => {
  const bound = boundOf(1, 1_000)
  bound.add(transaction(), 10)
  for (let time = 0; time < 3; time++) assert.throws(() => bound.add(transaction(), 10))
  bound.remove(10)
  bound.add(transaction(), 10)
})

test('what is undone in its transaction is not counted', () => {
  const bound = boundOf(1, 10)
  const tx = transaction()
  bound.add(tx, 10)
  tx.undo()
  bound.add(transaction(), 10)
})

test('what was held before counts, and what is removed makes room', () => {
  const bound = boundOf(3, 1_000, { count: 3, bytes: 30 })
  assert.equal(bound.room, 0)
  bound.remove(10)
  assert.equal(bound.room, 1)
  bound.add(transaction(), 10)
  assert.equal(bound.room, 0)
})

test('what is restored counts, even beyond the bound', () => {
  const bound = boundOf(1, 1_000)
  bound.restore(10)
  bound.restore(10)
  assert.equal(bound.room, 0)
  bound.remove(10)
  assert.equal(bound.room, 0)
  bound.remove(10)
  assert.equal(bound.room, 1)
})

test('there is no room once the bytes are used up, however few the entries', () => {
  assert.equal(boundOf(100, 50, { count: 1, bytes: 50 }).room, 0)
})
