import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addNote } from '../../src/agent/note-table.ts'
import type { Log } from '../../src/platform/log.ts'
import { openNoteIndex } from '../../src/store/sqlite/note-index.ts'
import type { NoteIndex } from '../../src/store/sqlite/note-index.ts'
import type { Reader } from '../../src/store/store.ts'
import { openMemoryDb } from './memory-db.ts'
import type { MemoryDb } from './memory-db.ts'

export interface NoteIndexFixture {
  readonly db: MemoryDb
  readonly path: string
  /** Reasons for which an index was discarded. */
  readonly discarded: string[]
  readonly keep: (...texts: string[]) => number[]
  /** An index that is closed at the end. */
  readonly open: (options?: { path?: string; reader?: Reader }) => NoteIndex
}

/** Notes in a real database, and a folder for the index; both are gone afterwards. */
export async function withNoteIndex(use: (fixture: NoteIndexFixture) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'note-index-'))
  const db = openMemoryDb()
  const opened: NoteIndex[] = []
  const discarded: string[] = []
  const log: Log = {
    debug() {},
    info() {},
    warn(event, fields) {
      const error = fields?.['error']
      discarded.push(`${event} ${error instanceof Error ? error.message : ''}`)
    },
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
