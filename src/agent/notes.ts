import { PerduraError } from '../errors.ts'
import { readCount } from '../store/counters.ts'
import type { Reader, Tx } from '../store/store.ts'
import type { Memory } from './definition.ts'
import {
  addNote,
  checkNoteText,
  checkRoom,
  countNotes,
  findNote,
  forgetNote,
  getNotes,
  listNotes,
  notesRevision,
} from './note-table.ts'

/** Full-text search over notes, injected so that the agent does not know the driver. */
export interface NoteSearch {
  /** Identifiers of matching notes, best first. Brings itself up to date with the store before it answers. */
  search(query: string, limit: number): number[]
  /** Does one bounded piece of coming up to date; true while there is more to do. */
  catchUp?(): boolean
}

/** What the notes of one turn are made from. */
export interface TurnMemory {
  readonly reader: Reader
  readonly search: NoteSearch
  /** Puts an operation into the turn's final transaction; they run in the order given, or never. */
  stage(operation: (tx: Tx) => void): void
  /** From `createNoteIds`, one for all turns of the process. */
  allocateNoteId(): number
  /** Wall-clock ms. */
  now(): number
  /** Lets the event loop breathe while the index comes up to date (the clock's `defer`). Default: it does not. */
  defer?(run: () => void): void
}

/**
 * Numbers for notes that are staged and not yet committed. They start above the committed counter and are never given
 * twice by one process, so turns side by side cannot collide; a turn that fails leaves a hole. In a process that uses
 * it, every `addNote` must be given a number from here.
 */
export function createNoteIds(reader: Reader): () => number {
  let last: number | undefined
  return () => {
    last = (last ?? readCount(reader, 'notes.id')) + 1
    return last
  }
}

/**
 * The memory of one turn. What it changes is staged; what it reads is committed, so a turn does not recall what it has
 * itself just remembered. When two turns side by side remember the same text, the first to commit keeps it and the
 * number that the other was given leads to no note.
 */
export function createMemory(turn: TurnMemory): Memory {
  const stagedTexts = new Map<string, number>()
  const stagedForgets = new Set<number>()
  let added = 0

  return {
    async remember(given) {
      const text = checkNoteText(given)
      const staged = stagedTexts.get(text)
      if (staged !== undefined) return staged
      const since = notesRevision(turn.reader)
      const kept = findNote(turn.reader, text, 0)
      const known = kept !== undefined && !stagedForgets.has(kept)
      if (!known) {
        added += 1
        checkRoom(countNotes(turn.reader) - stagedForgets.size + added)
      }
      const id = known ? kept : turn.allocateNoteId()
      const now = turn.now()
      stagedTexts.set(text, id)
      // Staged also for a known note: another turn may forget it before this one commits.
      turn.stage((tx) => addNote(tx, { id, text, now, since }))
      return id
    },

    async recall(query, limit = 5) {
      checkLimit(limit, 100)
      if (typeof query !== 'string')
        throw new PerduraError('ERR_TURN_CONTENT', 'what is recalled is asked for by a text')
      while (turn.defer !== undefined && turn.search.catchUp?.() === true) {
        await new Promise<void>((resolve) => turn.defer?.(resolve))
      }
      return getNotes(turn.reader, turn.search.search(query, limit))
    },

    async list(limit = 20) {
      checkLimit(limit, 1_000)
      return listNotes(turn.reader, limit)
    },

    async forget(ids) {
      for (const id of ids) {
        if (Number.isSafeInteger(id) && id >= 1) continue
        throw new PerduraError('ERR_TURN_CONTENT', `${id} is not the id of a note`)
      }
      for (const id of new Set(ids)) {
        for (const [text, staged] of stagedTexts) if (staged === id) stagedTexts.delete(text)
        stagedForgets.add(id)
        turn.stage((tx) => forgetNote(tx, id))
      }
    },
  }
}

function checkLimit(limit: number, max: number): void {
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= max) return
  throw new PerduraError('ERR_TURN_CONTENT', `limit must be a whole number from 1 to ${max}, not ${limit}`)
}
