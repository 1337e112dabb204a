import { rmSync } from 'node:fs'
import { PerduraError, toError } from '../../errors.ts'
import type { Log } from '../../platform/log.ts'
import { isSqliteError } from '../../platform/sqlite-error.ts'
import type { Reader } from '../store.ts'
import { significantWords, stopWords } from '../words.ts'
import { NoteIndexFile } from './note-index-file.ts'
import type { ChangedNote, Origin } from './note-index-file.ts'

export interface NoteIndexOptions {
  /** A file of its own, in the agent's folder, or `:memory:`. */
  readonly path: string
  /** Where the notes are. */
  readonly reader: Reader
  readonly log?: Log
}

/** Full-text index over the notes. Whatever it says is looked up in the notes: it is never the truth. */
export interface NoteIndex {
  /**
   * Ids of matching notes, best first: those with all the words of the query, else those with any, by bm25, then
   * newest first. The query is words, never syntax. Comes up to date first, and starts anew when in doubt.
   * Throws ERR_STORE_BUSY (another process has the file), ERR_STORE_WRITE (it cannot be made anew either) and
   * ERR_STORE_CLOSED.
   */
  search(query: string, limit: number): number[]
  /** Reads one batch of changed notes; true while there may be more. For a caller who does not want to block. */
  catchUp(): boolean
  close(): void
}

/** Opens nothing until the first search: an agent that never recalls pays nothing. */
export function openNoteIndex(options: NoteIndexOptions): NoteIndex {
  return new FileNoteIndex(options)
}

/** Notes per transaction: at 10,000 characters each, 2 MB of text in memory. */
const batchNotes = 200

/** The same of the store, with what tells whether the index can still follow. */
interface Source extends Origin {
  /** Rows of forgotten notes are gone up to this revision. */
  readonly swept: number
}

/**
 * The index is *closed*, or *open* at a revision. Opening checks everything that a search would rely on. Any doubt,
 * from there to the last row of a search, discards the file; a search then tries once more with an empty one.
 *
 * WAL keeps a killed process from leaving half a batch, and each batch moves the revision in its own transaction, so
 * that an interrupted catch-up goes on where it was. `synchronous=NORMAL` costs a sync per checkpoint, not per batch.
 */
class FileNoteIndex implements NoteIndex {
  readonly #path: string
  readonly #reader: Reader
  readonly #log: Log | undefined
  #open: NoteIndexFile | undefined
  #closed = false

  constructor({ path, reader, log }: NoteIndexOptions) {
    this.#path = path
    this.#reader = reader
    this.#log = log
  }

  search(query: string, limit: number): number[] {
    const words = significantWords(query)
    if (words.length === 0) return []
    return this.#twice((file) => {
      while (this.#advance(file));
      const all = file.match(words, 'AND', limit)
      // Any one of "who are you" would match half of the notes.
      return all.length > 0 || words.every((word) => stopWords.has(word))
        ? all
        : file.match(words, 'OR', limit)
    })
  }

  catchUp(): boolean {
    return this.#twice((file) => this.#advance(file))
  }

  close(): void {
    this.#closed = true
    this.#release()
  }

  #twice<T>(use: (file: NoteIndexFile) => T): T {
    if (this.#closed) throw new PerduraError('ERR_STORE_CLOSED', `the memory index ${this.#path} is closed`)
    try {
      return use(this.#opened())
    } catch (thrown) {
      this.#discard(thrown)
    }
    try {
      return use(this.#opened())
    } catch (thrown) {
      this.#discard(thrown)
      throw new PerduraError(
        'ERR_STORE_WRITE',
        `the memory index ${this.#path} cannot be made anew (${toError(thrown).message}): ` +
          'free disk space, or see to the permissions of its folder',
        { cause: thrown },
      )
    }
  }

  #release(): void {
    const open = this.#open
    this.#open = undefined
    open?.close()
  }

  #opened(): NoteIndexFile {
    this.#open ??= new NoteIndexFile(this.#path)
    return this.#open
  }

  /** One batch; true while there may be more. */
  #advance(file: NoteIndexFile): boolean {
    const source = this.#read(() => readSource(this.#reader))
    const doubt = doubtAbout(file.origin, source)
    if (doubt !== undefined) throw new Error(doubt)
    if (file.origin.revision === source.revision) {
      if (file.origin.notes === source.notes || file.madeHere) return false
      throw new Error(`it has ${file.origin.notes} notes where the store has ${source.notes}`)
    }
    const changed = this.#read(() => readChanged(this.#reader, file.origin.revision))
    // The last revision may belong to a row that is gone; then there is nothing left to read up to it.
    const last = changed.length < batchNotes ? source.revision : (changed.at(-1)?.revision ?? source.revision)
    file.apply(changed, { agent: source.agent, chain: source.chain, revision: last })
    return true
  }

  /** A fault of the store is the store's: it says nothing about the index. */
  #read<T>(read: () => T): T {
    try {
      return read()
    } catch (thrown) {
      throw new StoreFault('the store could not be read', { cause: thrown })
    }
  }

  #discard(thrown: unknown): void {
    if (thrown instanceof StoreFault) throw toError(thrown.cause)
    if (isSqliteError(thrown, 'busy', 'locked')) {
      const message = `the memory index ${this.#path} is open in another process: stop that one, or ask it`
      throw new PerduraError('ERR_STORE_BUSY', message, { cause: thrown })
    }
    this.#log?.warn('memory:index:discarded', { path: this.#path, error: toError(thrown) })
    try {
      this.#release()
      for (const end of this.#path === ':memory:' ? [] : ['', '-wal', '-shm', '-journal']) {
        rmSync(this.#path + end, { force: true })
      }
    } catch (cause) {
      const message = `the memory index ${this.#path} is unusable and cannot be removed: remove it by hand`
      throw new PerduraError('ERR_STORE_WRITE', message, { cause })
    }
  }
}

class StoreFault extends Error {}

function readSource(reader: Reader): Source {
  const source = reader.get<Source>(`
    SELECT
      coalesce((SELECT agent_id FROM identity), '') AS agent,
      coalesce((SELECT chain || ':' || hex(chain_id) FROM journal_position), '') AS chain,
      coalesce((SELECT value FROM counters WHERE name = 'notes.revision'), 0) AS revision,
      coalesce((SELECT value FROM counters WHERE name = 'notes.live'), 0) AS notes,
      coalesce((SELECT value FROM counters WHERE name = 'notes.swept'), 0) AS swept
  `)
  if (source === undefined) throw new Error('the store gave no answer')
  return source
}

function readChanged(reader: Reader, after: number): ChangedNote[] {
  const sql = 'SELECT id, text, forgotten, revision FROM notes WHERE revision > ? ORDER BY revision LIMIT ?'
  return reader.all<ChangedNote>(sql, after, batchNotes)
}

/** Why an index cannot follow the store, if so. One that has read nothing yet can follow any. */
function doubtAbout(origin: Origin, source: Source): string | undefined {
  if (origin.revision === 0) return undefined
  if (origin.agent !== source.agent) return 'it is of another agent'
  if (origin.chain !== source.chain) return 'it is of another chain of the journal'
  if (origin.revision > source.revision) return 'it is ahead of the store'
  if (origin.revision < source.swept) return 'it is too far behind the store'
  return undefined
}
