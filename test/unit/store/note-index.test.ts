import assert from 'node:assert/strict'
import { copyFileSync, existsSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { addNote, forgetNote } from '../../../src/agent/note-table.ts'
import { PerduraError } from '../../../src/errors.ts'
import type { Reader } from '../../../src/store/store.ts'
import { withNoteIndex } from '../../helpers/note-index.ts'

test('finds by all words first, by any word else, best and newest first', () =>
  withNoteIndex(({ keep, open }) => {
    keep('the key is under the mat', 'the car key is in the drawer', 'milk', 'the drawer is red')
    const index = open({ path: ':memory:' })
    assert.deepEqual(index.search('where is the key?', 5), [1, 2])
    assert.deepEqual(index.search('Where are the KEYS of the car', 5), [2])
    assert.deepEqual(index.search('key umbrella', 5), [1, 2])
    assert.deepEqual(index.search('umbrella', 5), [])
    assert.deepEqual(index.search('drawer', 1), [4])
  }))

test('ranks equals newest first', () =>
  withNoteIndex(({ keep, open }) => {
    keep('tea one', 'tea two', 'tea six')
    assert.deepEqual(open({ path: ':memory:' }).search('tea', 2), [3, 2])
  }))

test('follows what is added, forgotten and revived', () =>
  withNoteIndex(({ db, keep, open, discarded }) => {
    const index = open()
    assert.deepEqual(index.search('tea', 5), [])
    const [id = 0] = keep('green tea')
    assert.deepEqual(index.search('tea', 5), [id])
    db.write((tx) => forgetNote(tx, id))
    assert.deepEqual(index.search('tea', 5), [])
    db.write((tx) => addNote(tx, { id, text: 'green tea', now: 2 }))
    assert.deepEqual(index.search('tea', 5), [id])
    assert.deepEqual(discarded, [])
  }))

for (const [query, found] of [
  ['"', []],
  ['key"', [1]],
  ['key AND', [1]],
  ['NOT key', [1]],
  ['key*', [1]],
  ['^key', [1]],
  ['text:key', [1]],
  ['NEAR(key mat)', [1]],
  ['{text} : key', [1]],
  ['key - mat + ( ) ^ *', [1]],
  ["'; DROP TABLE note_text; --", []],
  ['-', []],
  ['', []],
  ['   ', []],
  ['🔑', []],
  ['🔑 key', [1]],
  ['a\0key', [1]],
  ['key\ud800', [1]],
  ['who is it?', []],
  ['CAFÉ', [2]],
  ['cafe\u0301', [2]],
  ['cafe', [2]],
  ['ｋｅｙ', [1]],
  ['鍵はどこですか？', [3]],
  ['מפתח', [4]],
  ['Ёлка', [5]],
  ['run', [6]],
  ['what is it', [7]],
  ['हिन्दी', [8]],
] as const) {
  test(`takes the query ${JSON.stringify(query)} as words only`, () =>
    withNoteIndex(({ keep, open, discarded }) => {
      keep(
        'the key is under the mat',
        'the café is closed',
        '鍵はマットの下',
        'המפתח מתחת — מפתח',
        'ёлка',
        'running shoes',
        'it is what it is',
        'हिन्दी भाषा',
      )
      assert.deepEqual(open({ path: ':memory:' }).search(query, 5), found)
      assert.deepEqual(discarded, [])
    }))
}

test('survives a query of 10,000 characters and as many words', () =>
  withNoteIndex(({ keep, open }) => {
    keep('w7 is a word')
    const query = Array.from({ length: 2_500 }, (_, n) => `w${n}`).join(' ')
    assert.deepEqual(open({ path: ':memory:' }).search(query, 5), [1])
    assert.deepEqual(open({ path: ':memory:' }).search('x'.repeat(10_000), 5), [])
  }))

test('continues from its file after a restart', () =>
  withNoteIndex(({ db, keep, open, path, discarded }) => {
    keep('one apple', 'two apples')
    const first = open()
    first.search('apple', 5)
    first.close()
    keep('three apples')
    const asked: unknown[] = []
    const reader: Reader = {
      ...db.reader,
      all: (sql, ...parameters) => (asked.push(parameters[0]), db.reader.all(sql, ...parameters)),
    }
    assert.deepEqual(open({ reader }).search('apples', 5), [3, 2, 1])
    assert.deepEqual(asked, [2])
    assert.deepEqual(discarded, [])
    assert.equal(statSync(path).mode & 0o777, 0o600)
  }))

test('stays closed', () =>
  withNoteIndex(({ open, path }) => {
    const index = open()
    index.close()
    for (const use of [() => index.catchUp(), () => index.search('tea', 5)]) {
      assert.throws(use, (thrown) => thrown instanceof PerduraError && thrown.code === 'ERR_STORE_CLOSED')
    }
    assert.equal(existsSync(path), false)
  }))

test('opens no file before the first search', () =>
  withNoteIndex(({ open, path }) => {
    open()
    assert.equal(existsSync(path), false)
  }))

test('catches up with 10,000 notes in bounded batches', () =>
  withNoteIndex(({ db, open }) => {
    db.write((tx) => {
      for (let n = 1; n <= 10_000; n += 1) addNote(tx, { text: `note number${n} of many`, now: n, since: n })
    })
    const batches: number[] = []
    const reader: Reader = {
      ...db.reader,
      all<Row>(sql: string, ...parameters: []) {
        const rows = db.reader.all<Row>(sql, ...parameters)
        batches.push(rows.length)
        return rows
      },
    }
    const index = open({ reader })
    assert.equal(index.catchUp(), true)
    assert.deepEqual(batches, [200])
    assert.deepEqual(index.search('number9999', 5), [9_999])
    assert.equal(Math.max(...batches), 200)
    batches.length = 0
    db.write((tx) => addNote(tx, { text: 'one more', now: 1, since: 10_000 }))
    assert.deepEqual(index.search('more', 5), [10_001])
    assert.deepEqual(batches, [1])
    assert.equal(index.catchUp(), false)
  }))

test('goes on where a process was killed between two batches', () =>
  withNoteIndex(({ db, open, path, discarded }) => {
    db.write((tx) => {
      for (let n = 1; n <= 1_000; n += 1) addNote(tx, { text: `note number${n}`, now: n, since: n })
    })
    const killed = open()
    for (let batch = 0; batch < 3; batch += 1) killed.catchUp()
    const copy = `${path}.copy`
    // What the disk holds at the kill: no close, no checkpoint.
    for (const end of ['', '-wal']) copyFileSync(path + end, copy + end)
    const asked: unknown[] = []
    const reader: Reader = {
      ...db.reader,
      all: (sql, ...parameters) => (asked.push(parameters[0]), db.reader.all(sql, ...parameters)),
    }
    assert.deepEqual(open({ path: copy, reader }).search('number1000', 5), [1_000])
    assert.equal(asked[0], 600)
    assert.deepEqual(discarded, [])
  }))
