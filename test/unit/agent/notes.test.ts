import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addNote,
  countNotes,
  forgetNote,
  getNotes,
  listNotes,
  notesRevision,
} from '../../../src/agent/note-table.ts'
import { createMemory, createNoteIds } from '../../../src/agent/notes.ts'
import type { Memory } from '../../../src/agent/definition.ts'
import type { NoteSearch } from '../../../src/agent/notes.ts'
import { PerduraError } from '../../../src/errors.ts'
import type { Reader, Tx } from '../../../src/store/store.ts'
import { withMemoryDb } from '../../helpers/memory-db.ts'
import type { MemoryDb } from '../../helpers/memory-db.ts'

const nothing: NoteSearch = { search: () => [] }

/** A turn that commits what its memory staged. */
function openTurn(
  db: MemoryDb,
  allocateNoteId: () => number,
  search = nothing,
): { memory: Memory; commit(): void } {
  const staged: ((tx: Tx) => void)[] = []
  const memory = createMemory({
    reader: db.reader,
    search,
    stage: (operation) => void staged.push(operation),
    allocateNoteId,
    now: () => 1_000,
  })
  return { memory, commit: () => db.write((tx) => runAll(staged, tx)) }
}

function runAll(staged: readonly ((tx: Tx) => void)[], tx: Tx): void {
  for (const operation of staged) operation(tx)
}

function code(expected: string): (thrown: unknown) => boolean {
  return (thrown) => thrown instanceof PerduraError && thrown.code === expected
}

function counted(reader: Reader): { live: number; forgotten: number } {
  const sql =
    'SELECT count(*) FILTER (WHERE forgotten = 0) AS live, count(*) FILTER (WHERE forgotten = 1) AS forgotten FROM notes'
  const row = reader.get<{ live: number; forgotten: number }>(sql)
  assert.ok(row)
  return { ...row }
}

test('keeps a text once and gives its number again', () =>
  withMemoryDb((db) => {
    const first = db.write((tx) => addNote(tx, { text: 'the key is under the mat', now: 1 }))
    const again = db.write((tx) => addNote(tx, { text: '  the key is under the mat\n', now: 2 }))
    const other = db.write((tx) => addNote(tx, { text: 'The key is under the mat', now: 3 }))
    assert.deepEqual([first, again, other], [1, 1, 2])
    assert.equal(countNotes(db.reader), 2)
    assert.equal(notesRevision(db.reader), 2)
  }))

test('empties a forgotten note, raises the revision, and forgets it only once', () =>
  withMemoryDb((db) => {
    const id = db.write((tx) => addNote(tx, { text: 'secret', now: 1 }))
    assert.equal(
      db.write((tx) => forgetNote(tx, id)),
      true,
    )
    assert.equal(
      db.write((tx) => forgetNote(tx, id)),
      false,
    )
    assert.equal(
      db.write((tx) => forgetNote(tx, 77)),
      false,
    )
    const row = db.reader.get<object>('SELECT * FROM notes')
    assert.deepEqual({ ...row }, { id, text: '', forgotten: 1, revision: 2, created_at: 1 })
    assert.deepEqual(listNotes(db.reader, 10), [])
    assert.deepEqual(getNotes(db.reader, [id]), [])
    assert.equal(countNotes(db.reader), 0)
  }))

test('never gives the number of a forgotten note to another', () =>
  withMemoryDb((db) => {
    db.write((tx) => forgetNote(tx, addNote(tx, { text: 'a', now: 1 })))
    assert.equal(
      db.write((tx) => addNote(tx, { text: 'b', now: 1 })),
      2,
    )
  }))

test('takes it for a bug when two notes are given one number', () =>
  withMemoryDb((db) => {
    db.write((tx) => addNote(tx, { id: 7, text: 'a', now: 1 }))
    assert.throws(() => db.write((tx) => addNote(tx, { id: 7, text: 'b', now: 1 })), /given to two notes/)
    assert.equal(
      db.write((tx) => addNote(tx, { text: 'b', now: 1 })),
      8,
    )
  }))

test('lists newest first and gets in the order asked', () =>
  withMemoryDb((db) => {
    for (const text of ['a', 'b', 'c']) db.write((tx) => addNote(tx, { text, now: 5 }))
    assert.deepEqual(
      listNotes(db.reader, 2).map((note) => ({ ...note })),
      [
        { id: 3, text: 'c', createdAt: 5 },
        { id: 2, text: 'b', createdAt: 5 },
      ],
    )
    assert.deepEqual(
      getNotes(db.reader, [2, 99, 1]).map((note) => note.text),
      ['b', 'a'],
    )
  }))

for (const [name, text, fits] of [
  ['an empty text', '', false],
  ['blanks', ' \n\t ', false],
  ['10,000 characters', 'x'.repeat(10_000), true],
  ['10,001 characters', 'x'.repeat(10_001), false],
  ['emoji', '🔑'.repeat(5_000), true],
  ['a zero character', 'a\0b', true],
] as const) {
  test(`${fits ? 'keeps' : 'refuses'} ${name}`, () =>
    withMemoryDb(async (db) => {
      const turn = openTurn(db, createNoteIds(db.reader))
      if (!fits) {
        await assert.rejects(turn.memory.remember(text), code('ERR_TURN_CONTENT'))
        assert.throws(() => db.write((tx) => addNote(tx, { text, now: 1 })), code('ERR_TURN_CONTENT'))
        return
      }
      const id = await turn.memory.remember(text)
      turn.commit()
      assert.equal(getNotes(db.reader, [id])[0]?.text, text)
    }))
}

test('finds a text with a lone surrogate again', () =>
  withMemoryDb((db) => {
    const write = (): number => db.write((tx) => addNote(tx, { text: 'a\ud800b', now: 1 }))
    assert.equal(write(), write())
  }))

test('refuses a note when the memory is full, at once and again at the commit', () =>
  withMemoryDb(async (db) => {
    const before = openTurn(db, createNoteIds(db.reader))
    await before.memory.remember('in time')
    db.write((tx) => tx.run("INSERT INTO counters VALUES ('notes.live', 100000)"))
    assert.throws(() => before.commit(), code('ERR_MEMORY_FULL'))

    const turn = openTurn(db, createNoteIds(db.reader))
    await assert.rejects(turn.memory.remember('too late'), code('ERR_MEMORY_FULL'))
  }))

test('stages what a turn remembers and forgets until it commits', () =>
  withMemoryDb(async (db) => {
    const ids = createNoteIds(db.reader)
    const old = db.write((tx) => addNote(tx, { id: ids(), text: 'old', now: 1 }))
    const turn = openTurn(db, ids)
    const id = await turn.memory.remember('new')
    await turn.memory.forget([old])
    assert.deepEqual(
      (await turn.memory.list()).map((note) => note.text),
      ['old'],
    )
    turn.commit()
    assert.deepEqual(
      (await turn.memory.list()).map((note) => note.id),
      [id],
    )
  }))

test('gives turns side by side numbers that differ, and leaves a hole for one that fails', () =>
  withMemoryDb(async (db) => {
    const ids = createNoteIds(db.reader)
    const [one, two, three] = [openTurn(db, ids), openTurn(db, ids), openTurn(db, ids)]
    assert.deepEqual(
      [await one.memory.remember('a'), await two.memory.remember('b'), await three.memory.remember('c')],
      [1, 2, 3],
    )
    three.commit()
    one.commit()
    assert.deepEqual(
      listNotes(db.reader, 9).map((note) => note.id),
      [3, 1],
    )
    assert.equal(createNoteIds(db.reader)(), 4)
  }))

test('keeps a text once that two turns remember side by side', () =>
  withMemoryDb(async (db) => {
    const ids = createNoteIds(db.reader)
    const [one, two] = [openTurn(db, ids), openTurn(db, ids)]
    await one.memory.remember('the same')
    await two.memory.remember('the same')
    two.commit()
    one.commit()
    assert.deepEqual(
      listNotes(db.reader, 9).map((note) => note.id),
      [2],
    )
    assert.equal(countNotes(db.reader), 1)
  }))

test('gives the number of a known text, and revives it if another turn forgets it meanwhile', () =>
  withMemoryDb(async (db) => {
    const ids = createNoteIds(db.reader)
    const known = db.write((tx) => addNote(tx, { id: ids(), text: 'known', now: 1 }))
    const [one, two] = [openTurn(db, ids), openTurn(db, ids)]
    assert.equal(await one.memory.remember('known'), known)
    await two.memory.forget([known])
    two.commit()
    one.commit()
    assert.deepEqual(
      listNotes(db.reader, 9).map((note) => [note.id, note.text]),
      [[known, 'known']],
    )
    assert.deepEqual(counted(db.reader), { live: countNotes(db.reader), forgotten: 0 })
  }))

test('takes the order of a turn: remember, forget, remember', () =>
  withMemoryDb(async (db) => {
    const turn = openTurn(db, createNoteIds(db.reader))
    const first = await turn.memory.remember('x')
    assert.equal(await turn.memory.remember('x'), first)
    await turn.memory.forget([first, first])
    const second = await turn.memory.remember('x')
    turn.commit()
    assert.deepEqual(
      listNotes(db.reader, 9).map((note) => note.id),
      [second],
    )
    assert.equal(countNotes(db.reader), 1)
  }))

test('forgets and remembers the same text in one turn under another number', () =>
  withMemoryDb(async (db) => {
    const ids = createNoteIds(db.reader)
    const known = db.write((tx) => addNote(tx, { id: ids(), text: 'x', now: 1 }))
    const turn = openTurn(db, ids)
    await turn.memory.forget([known])
    const again = await turn.memory.remember('x')
    turn.commit()
    assert.deepEqual(
      listNotes(db.reader, 9).map((note) => note.id),
      [again],
    )
  }))

test('recalls what the index names and the store still has', () =>
  withMemoryDb(async (db) => {
    for (const text of ['a', 'b']) db.write((tx) => addNote(tx, { text, now: 1 }))
    const asked: unknown[] = []
    const search: NoteSearch = { search: (query, limit) => (asked.push([query, limit]), [2, 5, 1]) }
    const turn = openTurn(db, createNoteIds(db.reader), search)
    assert.deepEqual(
      (await turn.memory.recall('q')).map((note) => note.text),
      ['b', 'a'],
    )
    assert.deepEqual(asked, [['q', 5]])
  }))

test('lets others run while the index comes up to date', () =>
  withMemoryDb(async (db) => {
    let batches = 3
    let breaths = 0
    const memory = createMemory({
      reader: db.reader,
      search: { search: () => (assert.equal(batches, 0), []), catchUp: () => --batches > 0 },
      stage: () => {},
      allocateNoteId: () => 1,
      now: () => 1,
      defer: (run) => ((breaths += 1), run()),
    })
    await memory.recall('q')
    assert.equal(breaths, 2)
  }))

test('refuses limits and numbers out of bounds', () =>
  withMemoryDb(async (db) => {
    const { memory } = openTurn(db, createNoteIds(db.reader))
    for (const limit of [0, 101, 1.5, Number.NaN])
      await assert.rejects(memory.recall('q', limit), code('ERR_TURN_CONTENT'))
    for (const limit of [0, 1_001]) await assert.rejects(memory.list(limit), code('ERR_TURN_CONTENT'))
    for (const id of [0, -1, 1.5]) await assert.rejects(memory.forget([id]), code('ERR_TURN_CONTENT'))
  }))

test('bounds the rows of forgotten notes and says how far they are gone', () =>
  withMemoryDb((db) => {
    db.write((tx) => {
      for (let n = 0; n < 2_500; n += 1) addNote(tx, { text: `note ${n}`, now: n, since: n })
    })
    for (let id = 1; id <= 2_400; id += 1) db.write((tx) => forgetNote(tx, id))
    assert.deepEqual(counted(db.reader), { live: 100, forgotten: 1_400 })
    assert.equal(countNotes(db.reader), 100)
    assert.equal(
      db.reader.get<{ value: number }>("SELECT value FROM counters WHERE name = 'notes.swept'")?.value,
      3_500,
    )
  }))
