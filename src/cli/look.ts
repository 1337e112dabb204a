import { PerduraError } from '../errors.ts'
import { agentExists, agentPaths, checkAgentName, listAgents, type AgentPaths } from '../runtime/home.ts'
import { isAlive, readProcessRecord, type ProcessRecord } from '../runtime/process-record.ts'
import type { ProcessFacts } from '../runtime/why.ts'
import { openReadOnly, type ReadOnlyStore } from '../store/read-only.ts'
import type { Reader } from '../store/store.ts'
import type { Call } from './call.ts'
import { suggest } from './suggest.ts'

/** Where an agent is that must exist; ERR_NO_SUCH_AGENT says which was probably meant. */
export function requireAgent(call: Call, name: string): AgentPaths {
  checkAgentName(name)
  if (!agentExists(call.disk, call.home, name)) throw noSuchAgent(call, name)
  return agentPaths(call.home, name)
}

export function noSuchAgent(call: Call, name: string): PerduraError {
  const known = listAgents(call.disk, call.home)
  const meant = suggest(name, known)
  const hint =
    meant !== undefined
      ? `did you mean ${meant}?`
      : known.length === 0
        ? `none has been started yet; start the first with: ${call.program} up`
        : `there ${known.length === 1 ? 'is' : 'are'} ${known.slice(0, 10).join(', ')}`
  return new PerduraError('ERR_NO_SUCH_AGENT', `there is no agent "${name}" in ${call.home}: ${hint}`)
}

export interface ProcessView extends ProcessFacts {
  /** Of the process that runs, or of the one that was killed. */
  readonly record: ProcessRecord | undefined
  readonly supervised: boolean
}

/** What the files beside the database say about the agent's process, checked against the process table. */
export function viewProcess(call: Call, paths: AgentPaths): ProcessView {
  const record = readProcessRecord(call.disk, paths.processRecord)
  const supervisor = readProcessRecord(call.disk, paths.supervisorRecord)
  const supervised = isAlive(call.processes, supervisor)
  if (record === undefined) return { state: supervised ? 'killed' : 'stopped', record, supervised }
  const state = isAlive(call.processes, record) ? 'running' : 'killed'
  return { state, pid: record.pid, record, supervised }
}

/** The pid of the live process that keeps the agent running, if there is one. */
export function supervisorPid(call: Call, paths: AgentPaths): number | undefined {
  const record = readProcessRecord(call.disk, paths.supervisorRecord)
  return isAlive(call.processes, record) ? record.pid : undefined
}

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
