import type { Disk, DiskFile } from '../../../src/platform/disk.ts'
import { agentParts, type AgentParts } from '../../../src/runtime/parts.ts'
import type { Database } from '../../../src/platform/database.ts'
import type { Store, Tx } from '../../../src/store/store.ts'
import type { AgentFaults, Swaps } from '../../../src/testing/index.ts'
import type { Invariant } from '../workload/world.ts'

/** A Perdura with one part replaced by a broken one, and what must notice. */
export interface Mutant {
  readonly name: string
  /** One of these is violated within the bounded number of seeds. */
  readonly caughtBy: readonly Invariant[]
  /** Faults that it takes, where those that a seed draws would bring it out too rarely. */
  readonly faults?: Partial<AgentFaults>
  /** Whether an input kills the process; else the seed decides. */
  readonly poison?: boolean
  /** Made anew for every seed. */
  readonly swaps: () => Swaps
}

export function withParts(broken: Partial<AgentParts>): Swaps {
  return { parts: broken }
}

/** Stands in front of the store that the agent gets. */
export function withWrite(change: (store: Store) => Store['write']): Swaps {
  return withParts({
    async openStore(options) {
      const { store, recovered } = await agentParts.openStore(options)
      const write = change(store)
      const changed: Store = {
        reader: store.reader,
        get position() {
          return store.position
        },
        close: () => store.close(),
        write: (operation) => write(operation),
      }
      return { store: changed, recovered }
    },
  })
}

class Rehearsed extends Error {
  readonly result: unknown

  constructor(result: unknown) {
    super('rehearsed')
    this.result = result
  }
}

/** Finds out what the result will be, answers with it, and writes afterwards. */
export async function answerThenWrite<T>(store: Store, operation: (tx: Tx) => T): Promise<T> {
  try {
    return await store.write((tx) => {
      throw new Rehearsed(operation(tx))
    })
  } catch (thrown) {
    if (!(thrown instanceof Rehearsed)) throw thrown
    store.write(operation).catch(() => undefined)
    return thrown.result as T
  }
}

export const isSegment = (path: string): boolean => path.endsWith('.segment')

/** Changes some methods of the files that are opened. */
export function withFiles(disk: Disk, change: (file: DiskFile, path: string) => Partial<DiskFile>): Disk {
  return {
    ...disk,
    open(path) {
      const file = disk.open(path)
      return {
        get sizeBytes() {
          return file.sizeBytes
        },
        read: (offset, length) => file.read(offset, length),
        write: (offset, bytes) => file.write(offset, bytes),
        sync: () => file.sync(),
        close: () => file.close(),
        ...change(file, path),
      }
    },
  }
}

/** Changes some methods of the writing connection. */
export function withDatabase(change: (database: Database) => Partial<Database>): Swaps {
  return {
    files: (files) => ({
      ...files,
      open() {
        const database = files.open()
        const methods = change(database)
        return {
          get isTransaction() {
            return database.isTransaction
          },
          exec: (sql) => (methods.exec ?? database.exec.bind(database))(sql),
          prepare: (sql) => (methods.prepare ?? database.prepare.bind(database))(sql),
          createSession: () => database.createSession(),
          applyChangeset: (changes) =>
            (methods.applyChangeset ?? database.applyChangeset.bind(database))(changes),
          close: () => database.close(),
        }
      },
    }),
  }
}
