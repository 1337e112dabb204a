import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { storedStatus } from '../../src/runtime/queries.ts'
import { StatementCache } from '../../src/store/group-commit.ts'
import type { Reader } from '../../src/store/store.ts'
import { openReader } from '../../src/store/sqlite/files.ts'

/** Looks into the database of an agent that may be killed and restarted meanwhile, and changes nothing. */
export class DatabaseView {
  readonly #path: string

  constructor(home: string, agent: string) {
    this.#path = join(home, 'agents', agent, 'state.db')
  }

  /** Undefined where there is nothing to see just now. */
  read<T>(query: (reader: Reader) => T): T | undefined {
    if (!existsSync(this.#path)) return undefined
    const database = openReader(this.#path)
    try {
      return query(new StatementCache(database))
    } catch (error) {
      if (isPassing(error)) return undefined
      throw error
    } finally {
      database.close()
    }
  }

  /** Whether nothing is left to do: every turn done, every timer fired, every message to another agent delivered. */
  get settled(): boolean {
    return (
      this.read((reader) => {
        const { inbox, outbox, timers } = storedStatus(reader)
        return (
          inbox.pending + inbox.running + inbox.parked + timers.count + outbox.pending - outbox.forYou === 0
        )
      }) === true
    )
  }
}

/** Busy while another process recovers the WAL; no tables before the first transaction of all. */
function isPassing(error: unknown): boolean {
  const { errcode = 0, message } = error as { errcode?: number; message?: string }
  return (errcode & 0xff) === 5 || /no such table/.test(message ?? '')
}
