import type { AgentPaths } from '../runtime/home.ts'
import { readProcessRecord } from '../runtime/process-record.ts'
import { openReadOnly, type ReadOnlyStore } from '../store/read-only.ts'
import type { Reader } from '../store/store.ts'
import type { Call } from './call.ts'

/** Runs a query on the agent's database without changing it; it need not be running. */
export function readAgent<T>(call: Call, paths: AgentPaths, query: (store: ReadOnlyStore) => T): T {
  const store = openReadOnly(paths.folder, call.disk)
  try {
    return query(store)
  } finally {
    store.close()
  }
}

/**
 * A database that is looked at again and again while its agent may be killed and come back: it is opened anew when
 * another process has it, because that one may have put another file in its place.
 */
export class Watch {
  readonly #call: Call
  readonly #paths: AgentPaths
  #store: ReadOnlyStore | undefined
  #instance: string | undefined

  constructor(call: Call, paths: AgentPaths) {
    this.#call = call
    this.#paths = paths
  }

  /** Undefined where it could not be read just now: not there yet, being recovered, locked. */
  read<T>(query: (reader: Reader) => T): T | undefined {
    const instance = readProcessRecord(this.#call.disk, this.#paths.processRecord)?.instance
    if (instance !== this.#instance) this.close()
    this.#instance = instance
    try {
      this.#store ??= openReadOnly(this.#paths.folder, this.#call.disk)
      return query(this.#store.reader)
    } catch {
      this.close()
      return undefined
    }
  }

  close(): void {
    this.#store?.close()
    this.#store = undefined
  }
}
