import { PerduraError } from '../errors.ts'
import { readCount, setCount } from '../store/counters.ts'
import type { Reader, Tx } from '../store/store.ts'
import type { Note } from './definition.ts'

/** Characters of one note, as `String.length` counts them. */
export const noteCharactersMax = 10_000
/** Notes that are kept at a time. */
const notesMax = 100_000
/** Emptied rows of forgotten notes; at this number the older half goes. */
const forgottenMax = 2_000

export interface NewNote {
  readonly text: string
  /** Wall-clock ms. */
  readonly now: number
  /** A number reserved by `createNoteIds`, or that of a note to keep. Default: the next one. */
  readonly id?: number
  /** The caller has looked for the same text among notes up to this revision; spares a scan. Default 0. */
  readonly since?: number
}

/** Keeps a note and returns its id. The same text is kept once: then the id is that of the note that is there. */
export function addNote(tx: Tx, note: NewNote): number {
  const text = checkNoteText(note.text)
  const own = note.id === undefined ? undefined : getRow(tx, note.id)
  if (own !== undefined && own.forgotten === 0) {
    if (own.text !== text) throw new Error(`the id ${own.id} was given to two notes`)
    return own.id
  }
  const same = findNote(tx, text, note.since ?? 0)
  if (same !== undefined) return same

  const live = countNotes(tx) + 1
  checkRoom(live)
  const id = note.id ?? readCount(tx, 'notes.id') + 1
  const revision = notesRevision(tx) + 1
  if (own === undefined) {
    tx.run('INSERT INTO notes VALUES (?, ?, 0, ?, ?)', id, text, revision, note.now)
  } else {
    const sql = 'UPDATE notes SET text = ?, forgotten = 0, revision = ?, created_at = ? WHERE id = ?'
    tx.run(sql, text, revision, note.now, id)
    setCount(tx, 'notes.forgotten', readCount(tx, 'notes.forgotten') - 1)
  }
  setCount(tx, 'notes.id', Math.max(id, readCount(tx, 'notes.id')))
  setCount(tx, 'notes.revision', revision)
  setCount(tx, 'notes.live', live)
  return id
}

/** Empties a note for good; false where there is none. Its row stays for a while so that the index learns of it. */
export function forgetNote(tx: Tx, id: number): boolean {
  const revision = notesRevision(tx) + 1
  const { changes } = tx.run(
    "UPDATE notes SET text = '', forgotten = 1, revision = ? WHERE id = ? AND forgotten = 0",
    revision,
    id,
  )
  if (changes === 0) return false
  setCount(tx, 'notes.revision', revision)
  setCount(tx, 'notes.live', countNotes(tx) - 1)
  const forgotten = readCount(tx, 'notes.forgotten') + 1
  setCount(tx, 'notes.forgotten', forgotten)
  if (forgotten >= forgottenMax) sweepForgotten(tx, forgotten)
  return true
}

/** Newest first. */
export function listNotes(reader: Reader, limit: number): Note[] {
  return reader.all<Note>(
    'SELECT id, text, created_at AS createdAt FROM notes WHERE forgotten = 0 ORDER BY id DESC LIMIT ?',
    limit,
  )
}

/** The notes of these ids that are there, in the order of the ids. */
export function getNotes(reader: Reader, ids: readonly number[]): Note[] {
  return ids.flatMap((id) => {
    const row = getRow(reader, id)
    return row === undefined || row.forgotten === 1 ? [] : [{ id, text: row.text, createdAt: row.createdAt }]
  })
}

/** Rises with every change to a note. */
export function notesRevision(reader: Reader): number {
  return readCount(reader, 'notes.revision')
}

/** Notes that are kept, from a counter: the table is not read. */
export function countNotes(reader: Reader): number {
  return readCount(reader, 'notes.live')
}

/** Deletes the older half of the emptied rows. An index that has not come as far as `notes.swept` starts anew. */
function sweepForgotten(tx: Tx, forgotten: number): void {
  const middle = tx.get<{ revision: number }>(
    'SELECT revision FROM notes WHERE forgotten = 1 ORDER BY revision DESC LIMIT 1 OFFSET ?',
    Math.floor(forgottenMax / 2),
  )
  if (middle === undefined) return
  const { changes } = tx.run('DELETE FROM notes WHERE forgotten = 1 AND revision <= ?', middle.revision)
  setCount(tx, 'notes.forgotten', forgotten - changes)
  setCount(tx, 'notes.swept', middle.revision)
}

interface NoteRow {
  readonly id: number
  readonly text: string
  readonly forgotten: number
  readonly createdAt: number
}

function getRow(reader: Reader, id: number): NoteRow | undefined {
  return reader.get<NoteRow>(
    'SELECT id, text, forgotten, created_at AS createdAt FROM notes WHERE id = ?',
    id,
  )
}

/** The live note with this very text, among those changed after `since`. From 0 it reads the table (9 ms for 100,000). */
export function findNote(reader: Reader, text: string, since: number): number | undefined {
  const sql = 'SELECT id FROM notes WHERE revision > ? AND forgotten = 0 AND text = ? LIMIT 1'
  return reader.get<{ id: number }>(sql, since, text)?.id
}

/** Trimmed, and with lone surrogates replaced, which the database would do silently. */
export function checkNoteText(given: string): string {
  if (typeof given !== 'string') throw new PerduraError('ERR_TURN_CONTENT', 'a note is a text')
  const text = given.toWellFormed().trim()
  if (text.length >= 1 && text.length <= noteCharactersMax) return text
  throw new PerduraError(
    'ERR_TURN_CONTENT',
    `a note has 1 to ${noteCharactersMax} characters, this text has ${text.length}: split it or keep its essence`,
  )
}

export function checkRoom(live: number): void {
  if (live <= notesMax) return
  throw new PerduraError(
    'ERR_MEMORY_FULL',
    `the memory holds ${notesMax} notes: forget some before adding others`,
  )
}
