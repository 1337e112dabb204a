import { randomUUID } from 'node:crypto'
import { PerduraError, toError } from '../errors.ts'
import type { Disk } from '../platform/disk.ts'
import type { Log } from '../platform/log.ts'
import { isAlive, type ProcessTable } from '../platform/process-table.ts'
import { unwritable } from '../platform/unwritable.ts'
import { agentPaths, prepareAgentFolder } from '../runtime/home.ts'
import { readProcessRecord, removeProcessRecord, writeProcessRecord } from '../runtime/process-record.ts'
import { agentOf } from './child-name.ts'
import { hubPaths, readHubRecord } from './hub-record.ts'

export interface KeeperRecordsOptions {
  readonly home: string
  readonly disk: Disk
  readonly processes: ProcessTable
  readonly log: Log
}

/**
 * Says beside each agent that this daemon keeps it running, as `up` does for its own; and looks whether somebody else does.
 */
export class KeeperRecords {
  readonly #options: KeeperRecordsOptions
  readonly #instance = randomUUID()
  readonly #kept = new Set<string>()

  constructor(options: KeeperRecordsOptions) {
    this.#options = options
  }

  /** Throws ERR_HOME_IN_USE where an `up`, or a person, runs it. What an earlier daemon started is to be taken over. */
  check(child: string): void {
    const { home, disk, processes } = this.#options
    const agent = agentOf(child)
    if (agent === undefined) {
      const paths = hubPaths(home)
      try {
        disk.makeFolder(paths.folder)
      } catch (cause) {
        throw unwritable(paths.folder, cause)
      }
      const hub = readHubRecord(disk, paths.record)
      if (isAlive(processes, hub) && hub.daemon !== true) throw inUse('the hub of this home', hub.pid)
      return
    }
    const paths = prepareAgentFolder(disk, home, agent)
    const keeper = readProcessRecord(disk, paths.supervisorRecord)
    if (isAlive(processes, keeper) && keeper.pid !== process.pid) throw inUse(agent, keeper.pid)
    const running = readProcessRecord(disk, paths.processRecord)
    if (isAlive(processes, running) && running.daemon !== true) throw inUse(agent, running.pid)
  }

  keep(child: string): void {
    const { home, disk, processes, log } = this.#options
    const agent = agentOf(child)
    if (agent === undefined || this.#kept.has(agent)) return
    try {
      writeProcessRecord(disk, agentPaths(home, agent).supervisorRecord, {
        pid: process.pid,
        identity: processes.identify(process.pid) ?? '',
        instance: this.#instance,
        startedAt: Date.now(),
        controlSocket: '',
        ingressPort: null,
        supervisorPid: null,
        daemon: true,
        hub: null,
      })
      this.#kept.add(agent)
    } catch (error) {
      // A full disk: who looks does not learn that it is kept running, and it is all the same.
      log.warn('daemon:record:unwritten', { child, error: toError(error) })
    }
  }

  release(child: string): void {
    const agent = agentOf(child)
    if (agent === undefined || !this.#kept.delete(agent)) return
    const { home, disk } = this.#options
    removeProcessRecord(disk, agentPaths(home, agent).supervisorRecord, this.#instance)
  }

  close(): void {
    for (const agent of this.#kept) this.release(`agent:${agent}`)
  }
}

function inUse(what: string, pid: number): PerduraError {
  return new PerduraError(
    'ERR_HOME_IN_USE',
    `${what} is run by process ${pid}, and not by the daemon: stop it there first, then start it again`,
    { details: { pid } },
  )
}
