import type { Database } from '../../../src/platform/database.ts'
import { StatementCache } from '../../../src/store/group-commit.ts'
import type { openStore } from '../../../src/store/open-store.ts'
import { beginChain } from '../../../src/store/position.ts'
import { migrations } from '../../../src/store/schema.ts'
import type { Store, Tx } from '../../../src/store/store.ts'

interface Pending {
  readonly operation: (tx: Tx) => unknown
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * The agent's store without its journal: what the wire simulation does not judge, and what takes most of the time. A
 * commit of the simulated database is durable by itself; everything above the store is the real thing.
 */
export const openQuickStore: typeof openStore = async ({ files, clock }) => {
  const lock = files.lock()
  const isNew = !files.exists()
  const database = files.open()
  if (isNew) prepare(database)
  const cache = new StatementCache(database)
  let queue: Pending[] = []
  let scheduled = false
  let closed = false

  const commit = (): void => {
    scheduled = false
    const batch = queue
    queue = []
    const done: (() => void)[] = []
    const committed: (() => void)[] = []
    database.exec('BEGIN IMMEDIATE')
    for (const { operation, resolve, reject } of batch) {
      const undo: (() => void)[] = []
      const own: (() => void)[] = []
      cache.run('SAVEPOINT operation')
      try {
        const result = operation(cache.tx(() => {}, undo, own))
        committed.push(...own)
        done.push(() => resolve(result))
      } catch (error) {
        for (const call of undo.toReversed()) call()
        cache.run('ROLLBACK TO operation')
        done.push(() => reject(error))
      }
      cache.run('RELEASE operation')
    }
    database.exec('COMMIT')
    for (const call of committed) call()
    for (const settle of done) settle()
  }

  const store: Store = {
    reader: cache,
    write: <T>(operation: (tx: Tx) => T) => {
      if (closed) return Promise.reject(new Error('the store is closed'))
      return new Promise<T>((resolve, reject) => {
        queue.push({ operation, resolve: resolve as (result: unknown) => void, reject })
        if (!scheduled) {
          scheduled = true
          clock.defer(commit)
        }
      })
    },
    get position() {
      return { chain: 1, sequence: 0 }
    },
    async close() {
      closed = true
      while (queue.length > 0) await new Promise<void>((resolve) => clock.defer(resolve))
      database.close()
      lock.release()
    },
  }
  const recovered = {
    database: isNew ? ('created' as const) : ('kept' as const),
    replayedRecords: 0,
    tornBytes: 0,
    newChain: undefined,
  }
  return { store, recovered }
}

/** As a whole store would have begun it: it can be taken elsewhere. */
function prepare(database: Database): void {
  beginChain(database, migrations, 1, Buffer.alloc(16))
}
