import { writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import { indexText } from '../words.ts'

/** What the index was made from, and how far. */
export interface Origin {
  readonly agent: string
  readonly chain: string
  readonly revision: number
  /** Notes in it. */
  readonly notes: number
}

/** A row of the notes table. */
export interface ChangedNote {
  readonly id: number
  readonly text: string
  readonly forgotten: number
  readonly revision: number
}

/** Raise it when the tables, the tokenizer or `indexText` change: an index of another format is made anew. */
const format = 1

/** The open file. Its methods throw whatever is wrong, and then it must not be used any more. */
export class NoteIndexFile {
  origin: Origin
  /** Whether all of it was read from the store by this process. */
  readonly madeHere: boolean
  readonly #db: DatabaseSync
  readonly #insert: StatementSync
  readonly #delete: StatementSync
  readonly #mark: StatementSync
  readonly #match: StatementSync

  constructor(path: string) {
    // SQLite would make it readable for others.
    if (path !== ':memory:') writeFileSync(path, '', { flag: 'a', mode: 0o600 })
    this.#db = new DatabaseSync(path)
    try {
      // Exclusive before WAL: no shared-memory file, and a second process is told at once.
      this.#db.exec(`
        PRAGMA locking_mode = EXCLUSIVE;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL;
        PRAGMA cache_size = -1024;
      `)
      if (this.#number('PRAGMA user_version') === 0) this.#create()
      this.origin = this.#check()
      this.madeHere = this.origin.revision === 0
      this.#insert = this.#db.prepare('INSERT INTO note_text (rowid, text) VALUES (?, ?)')
      this.#delete = this.#db.prepare('DELETE FROM note_text WHERE rowid = ?')
      this.#mark = this.#db.prepare('UPDATE origin SET agent = ?, chain = ?, revision = ?, notes = ?')
      this.#match = this.#db.prepare(
        'SELECT rowid AS id FROM note_text WHERE note_text MATCH ? ORDER BY rank, rowid DESC LIMIT ?',
      )
    } catch (thrown) {
      this.#db.close()
      throw thrown
    }
  }

  apply(changed: readonly ChangedNote[], upTo: Omit<Origin, 'notes'>): void {
    let { notes } = this.origin
    this.#db.exec('BEGIN IMMEDIATE')
    for (const { id, text, forgotten } of changed) {
      notes -= Number(this.#delete.run(id).changes)
      if (forgotten === 1) continue
      this.#insert.run(id, indexText(text))
      notes += 1
    }
    this.#mark.run(upTo.agent, upTo.chain, upTo.revision, notes)
    this.#db.exec('COMMIT')
    this.origin = { ...upTo, notes }
  }

  /** Words are letters, digits and marks only, and quoted: nothing in them can be syntax. */
  match(words: readonly string[], operator: 'AND' | 'OR', limit: number): number[] {
    const query = words.map((word) => `"${word}"`).join(` ${operator} `)
    return this.#match.all(query, limit).map((row) => Number(row['id']))
  }

  close(): void {
    this.#db.close()
  }

  #create(): void {
    this.#db.exec(`
      BEGIN IMMEDIATE;
      CREATE VIRTUAL TABLE note_text USING fts5 (
        text, content = '', contentless_delete = 1, tokenize = 'porter unicode61 remove_diacritics 2'
      );
      CREATE TABLE origin (
        agent TEXT NOT NULL, chain TEXT NOT NULL, revision INTEGER NOT NULL, notes INTEGER NOT NULL
      ) STRICT;
      INSERT INTO origin VALUES ('', '', 0, 0);
      PRAGMA user_version = ${format};
      COMMIT;
    `)
  }

  /** quick_check walks the full-text structures too: 0.1 s for 100,000 notes, once per process. */
  #check(): Origin {
    const version = this.#number('PRAGMA user_version')
    if (version !== format) throw new Error(`it has format ${version}`)
    const verdict = Object.values(this.#db.prepare('PRAGMA quick_check(1)').get() ?? {})[0]
    if (verdict !== 'ok') throw new Error(`quick_check: ${String(verdict)}`)
    const origin = this.#db.prepare('SELECT agent, chain, revision, notes FROM origin').get()
    if (origin === undefined) throw new Error('it does not say what it was made from')
    const counted = this.#number('SELECT count(*) FROM note_text_docsize')
    if (counted !== origin['notes']) {
      throw new Error(`it has ${counted} notes and says ${String(origin['notes'])}`)
    }
    return { ...origin } as unknown as Origin
  }

  #number(sql: string): number {
    return Number(Object.values(this.#db.prepare(sql).get() ?? {})[0])
  }
}
