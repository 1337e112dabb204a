import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import { addNote, forgetNote } from '../../../src/agent/notes.ts'
import { PerduraError } from '../../../src/errors.ts'
import type { Log } from '../../../src/platform/log.ts'
import { openNoteIndex } from '../../../src/store/sqlite/note-index.ts'
import type { NoteIndex } from '../../../src/store/sqlite/note-index.ts'
import type { Reader } from '../../../src/store/store.ts'
import { openMemoryDb } from '../../helpers/memory-db.ts'
import type { MemoryDb } from '../../helpers/memory-db.ts'

interface Fixture {
  readonly db: MemoryDb
  readonly path: string
  /** Reasons for which an index was discarded. */
  readonly discarded: string[]
  keep(...texts: string[]): number[]
  /** An index that is closed at the end. */
  open(options?: { path?: string; reader?: Reader }): NoteIndex
}

async function withNotes(use: (fixture: Fixture) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'note-index-'))
  const db = openMemoryDb()
  const opened: NoteIndex[] = []
  const discarded: string[] = []
  const log: Log = {
    debug() {},
    info() {},
    warn: (event, fields) => void discarded.push(`${event} ${String((fields?.['error'] as Error).message)}`),
    error() {},
    with: () => log,
  }
  const path = join(folder, 'memory-index.db')
  try {
    await use({
      db,
      path,
      discarded,
      keep: (...texts) => db.write((tx) => texts.map((text) => addNote(tx, { text, now: 1 }))),
      open(options = {}) {
        const index = openNoteIndex({ path, reader: db.reader, log, ...options })
        opened.push(index)
        return index
      },
    })
  } finally {
    for (const index of opened) index.close()
    db.close()
    rmSync(folder, { recursive: true })
  }
}

function code(expected: string): (thrown: unknown) => boolean {
  return (thrown) => thrown instanceof PerduraError && thrown.code === expected
}

test('finds by all words first, by any word else, best and newest first', () =>
  withNotes(({ keep, open }) => {
    keep('the key is under the mat', 'the car key is in the drawer', 'milk', 'the drawer is red')
    const index = open({ path: ':memory:' })
    assert.deepEqual(index.search('where is the key?', 5), [1, 2])
    assert.deepEqual(index.search('Where are the KEYS of the car', 5), [2])
    assert.deepEqual(index.search('key umbrella', 5), [1, 2])
    assert.deepEqual(index.search('umbrella', 5), [])
    assert.deepEqual(index.search('drawer', 1), [4])
  }))

test('ranks equals newest first', () =>
  withNotes(({ keep, open }) => {
    keep('tea one', 'tea two', 'tea six')
    assert.deepEqual(open({ path: ':memory:' }).search('tea', 2), [3, 2])
  }))

test('follows what is added, forgotten and revived', () =>
  withNotes(({ db, keep, open, discarded }) => {
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
    withNotes(({ keep, open, discarded }) => {
      keep('the key is under the mat', 'the café is closed', '鍵はマットの下', 'המפתח מתחת — מפתח', 'ёлка', 'running shoes', 'it is what it is', 'हिन्दी भाषा')
      assert.deepEqual(open({ path: ':memory:' }).search(query, 5), found)
      assert.deepEqual(discarded, [])
    }))
}

test('survives a query of 10,000 characters and as many words', () =>
  withNotes(({ keep, open }) => {
    keep('w7 is a word')
    const query = Array.from({ length: 2_500 }, (_, n) => `w${n}`).join(' ')
    assert.deepEqual(open({ path: ':memory:' }).search(query, 5), [1])
    assert.deepEqual(open({ path: ':memory:' }).search('x'.repeat(10_000), 5), [])
  }))

test('continues from its file after a restart', () =>
  withNotes(({ db, keep, open, path, discarded }) => {
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

test('opens no file before the first search', () =>
  withNotes(({ open, path }) => {
    open()
    assert.equal(existsSync(path), false)
  }))

test('catches up with 10,000 notes in bounded batches', () =>
  withNotes(({ db, open }) => {
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
  withNotes(({ db, open, path, discarded }) => {
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

test('loses only its last batches with a torn log', () =>
  withNotes(({ db, open, path }) => {
    db.write((tx) => {
      for (let n = 1; n <= 600; n += 1) addNote(tx, { text: `note number${n}`, now: n, since: n })
    })
    const killed = open()
    while (killed.catchUp());
    const copy = `${path}.copy`
    copyFileSync(path, copy)
    const log = readFileSync(`${path}-wal`)
    writeFileSync(`${copy}-wal`, log.subarray(0, Math.floor(log.length / 2)))
    const index = open({ path: copy })
    for (const n of [1, 300, 600]) assert.deepEqual(index.search(`number${n}`, 5), [n])
  }))

function damage(path: string, from: number): void {
  const bytes = readFileSync(path)
  for (let at = from; at < bytes.length; at += 7) bytes[at] = (bytes[at] ?? 0) ^ 0x5a
  writeFileSync(path, bytes)
}

for (const [name, harm] of [
  ['is not a database', (path: string) => writeFileSync(path, 'not a database, but long enough to look at '.repeat(200))],
  ['is damaged', (path: string) => damage(path, 4_096)],
  ['is cut short', (path: string) => writeFileSync(path, readFileSync(path).subarray(0, 9_000))],
  ['has another format', (path: string) => change(path, 'PRAGMA user_version = 99')],
  ['counts wrongly', (path: string) => change(path, 'UPDATE origin SET notes = notes + 1')],
  ['does not say its origin', (path: string) => change(path, 'DELETE FROM origin')],
  ['lacks rows', (path: string) => change(path, 'DELETE FROM note_text WHERE rowid = 1; UPDATE origin SET notes = notes - 1')],
  ['lacks its tables', (path: string) => change(path, 'DROP TABLE note_text')],
] as const) {
  test(`starts anew when its file ${name}`, () =>
    withNotes(({ keep, open, path, discarded }) => {
      keep(...Array.from({ length: 500 }, (_, n) => `note number${n + 1} about tea`))
      const first = open()
      first.search('tea', 1)
      first.close()
      harm(path)
      assert.deepEqual(open().search('number1', 5), [1])
      assert.equal(discarded.length, 1, discarded.join())
    }))
}

function change(path: string, sql: string): void {
  const db = new DatabaseSync(path)
  db.exec(sql)
  db.close()
}

for (const [name, turn] of [
  ['was rewound', (db: MemoryDb) => db.write((tx) => {
    tx.run('DELETE FROM notes WHERE id > 1')
    tx.run("UPDATE counters SET value = 1 WHERE name IN ('notes.revision', 'notes.live', 'notes.id')")
  })],
  ['began another chain', (db: MemoryDb) => db.setOrigin('agent-1', 2)],
  ['is of another agent', (db: MemoryDb) => db.setOrigin('agent-2', 1)],
  ['was rewound and went on', (db: MemoryDb) => db.write((tx) => {
    tx.run('DELETE FROM notes WHERE id > 1')
    tx.run("UPDATE counters SET value = 1 WHERE name IN ('notes.revision', 'notes.live', 'notes.id')")
    addNote(tx, { text: 'other tea', now: 1 })
    tx.run("UPDATE counters SET value = 9 WHERE name = 'notes.revision'")
  })],
] as const) {
  test(`starts anew when the store ${name}`, () =>
    withNotes(({ db, keep, open, discarded }) => {
      keep('green tea', 'black tea', 'white tea')
      const first = open()
      assert.deepEqual(first.search('tea', 5), [3, 2, 1])
      first.close()
      turn(db)
      const here = db.reader.all<{ id: number }>('SELECT id FROM notes ORDER BY id DESC').map((row) => row.id)
      assert.deepEqual(open().search('tea', 5), here)
      assert.equal(discarded.length, 1, discarded.join())
    }))
}

test('starts anew when rows of forgotten notes are gone that it has not seen', () =>
  withNotes(({ db, keep, open, discarded }) => {
    keep('green tea')
    const index = open()
    index.search('tea', 5)
    db.write((tx) => {
      for (let n = 0; n < 2_000; n += 1) forgetNote(tx, addNote(tx, { text: `note ${n}`, now: 1, since: 2 * n }))
    })
    assert.deepEqual(index.search('tea', 5), [1])
    assert.deepEqual(discarded, ['memory:index:discarded it is too far behind the store'])
  }))

test('says what to do when it cannot be made anew', () =>
  withNotes(({ keep, open, path }) => {
    keep('tea')
    mkdirSync(path)
    assert.throws(() => open().search('tea', 5), code('ERR_STORE_WRITE'))
  }))

test('leaves a file alone that another process has open', () =>
  withNotes(({ keep, open, discarded }) => {
    keep('tea')
    const index = open()
    index.search('tea', 5)
    assert.throws(() => open().search('tea', 5), code('ERR_STORE_BUSY'))
    assert.deepEqual(index.search('tea', 5), [1])
    assert.deepEqual(discarded, [])
  }))

test('passes a fault of the store on and keeps its file', () =>
  withNotes(({ keep, open, db, discarded }) => {
    keep('tea')
    const fault = new PerduraError('ERR_STORE_CLOSED', 'closed')
    const reader: Reader = { ...db.reader, get: () => { throw fault } }
    assert.throws(() => open({ reader }).search('tea', 5), (thrown) => thrown === fault)
    assert.deepEqual(discarded, [])
  }))
