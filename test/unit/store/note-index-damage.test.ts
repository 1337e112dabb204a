import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { addNote, forgetNote } from '../../../src/agent/note-table.ts'
import { PerduraError } from '../../../src/errors.ts'
import type { Reader } from '../../../src/store/store.ts'
import type { MemoryDb } from '../../helpers/memory-db.ts'
import { withNoteIndex } from '../../helpers/note-index.ts'

function code(expected: string): (thrown: unknown) => boolean {
  return (thrown) => thrown instanceof PerduraError && thrown.code === expected
}

test('loses only its last batches with a torn log', () =>
  withNoteIndex(({ db, open, path }) => {
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
  [
    'is not a database',
    (path: string) => writeFileSync(path, 'not a database, but long enough to look at '.repeat(200)),
  ],
  ['is damaged', (path: string) => damage(path, 4_096)],
  ['is cut short', (path: string) => writeFileSync(path, readFileSync(path).subarray(0, 9_000))],
  ['has another format', (path: string) => change(path, 'PRAGMA user_version = 99')],
  ['counts wrongly', (path: string) => change(path, 'UPDATE origin SET notes = notes + 1')],
  ['does not say its origin', (path: string) => change(path, 'DELETE FROM origin')],
  [
    'lacks rows',
    (path: string) =>
      change(path, 'DELETE FROM note_text WHERE rowid = 1; UPDATE origin SET notes = notes - 1'),
  ],
  ['lacks its tables', (path: string) => change(path, 'DROP TABLE note_text')],
] as const) {
  test(`starts anew when its file ${name}`, () =>
    withNoteIndex(({ keep, open, path, discarded }) => {
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
  [
    'was rewound',
    (db: MemoryDb) =>
      db.write((tx) => {
        tx.run('DELETE FROM notes WHERE id > 1')
        tx.run("UPDATE counters SET value = 1 WHERE name IN ('notes.revision', 'notes.live', 'notes.id')")
      }),
  ],
  ['began another chain', (db: MemoryDb) => db.setOrigin('agent-1', 2)],
  ['is of another agent', (db: MemoryDb) => db.setOrigin('agent-2', 1)],
  [
    'was rewound and went on',
    (db: MemoryDb) =>
      db.write((tx) => {
        tx.run('DELETE FROM notes WHERE id > 1')
        tx.run("UPDATE counters SET value = 1 WHERE name IN ('notes.revision', 'notes.live', 'notes.id')")
        addNote(tx, { text: 'other tea', now: 1 })
        tx.run("UPDATE counters SET value = 9 WHERE name = 'notes.revision'")
      }),
  ],
] as const) {
  test(`starts anew when the store ${name}`, () =>
    withNoteIndex(({ db, keep, open, discarded }) => {
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
  withNoteIndex(({ db, keep, open, discarded }) => {
    keep('green tea')
    const index = open()
    index.search('tea', 5)
    db.write((tx) => {
      for (let n = 0; n < 2_000; n += 1)
        forgetNote(tx, addNote(tx, { text: `note ${n}`, now: 1, since: 2 * n }))
    })
    assert.deepEqual(index.search('tea', 5), [1])
    assert.deepEqual(discarded, ['memory:index:discarded it is too far behind the store'])
  }))

test('says what to do when it cannot be made anew', () =>
  withNoteIndex(({ keep, open, path }) => {
    keep('tea')
    mkdirSync(path)
    assert.throws(() => open().search('tea', 5), code('ERR_STORE_WRITE'))
  }))

test('says so when there is nowhere to make it', () =>
  withNoteIndex(({ keep, open, path }) => {
    keep('tea')
    assert.throws(() => open({ path: `${path}/nowhere` }).search('tea', 5), code('ERR_STORE_WRITE'))
  }))

test('leaves a file alone that another process has open', () =>
  withNoteIndex(({ keep, open, discarded }) => {
    keep('tea')
    const index = open()
    index.search('tea', 5)
    assert.throws(() => open().search('tea', 5), code('ERR_STORE_BUSY'))
    assert.deepEqual(index.search('tea', 5), [1])
    assert.deepEqual(discarded, [])
  }))

test('passes a fault of the store on and keeps its file', () =>
  withNoteIndex(({ keep, open, db, discarded }) => {
    keep('tea')
    const fault = new PerduraError('ERR_STORE_CLOSED', 'closed')
    const reader: Reader = {
      ...db.reader,
      get: () => {
        throw fault
      },
    }
    assert.throws(
      () => open({ reader }).search('tea', 5),
      (thrown) => thrown === fault,
    )
    assert.deepEqual(discarded, [])
  }))
