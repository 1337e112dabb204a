import { setTimeout as delay } from 'node:timers/promises'
import { randomUUID } from 'node:crypto'
import { PerduraError } from '../errors.ts'
import { unwritable } from '../platform/unwritable.ts'
import { prepareAgentFolder, type AgentPaths } from '../runtime/home.ts'
import { signalProcess } from '../platform/node/signal-process.ts'
import { isAlive } from '../platform/process-table.ts'
import {
  readProcessRecord,
  removeProcessRecord,
  writeProcessRecord,
  type ProcessRecord,
} from '../runtime/process-record.ts'
import type { Call } from './call.ts'
import { agentChild } from './child-name.ts'
import { longestStopMs } from './stop-times.ts'

/** Says that this process keeps the agent running. */
export class SupervisorRecord {
  readonly #call: Call
  readonly #instance = randomUUID()
  #paths: AgentPaths | undefined

  constructor(call: Call) {
    this.#call = call
  }

  /**
   * Throws ERR_HOME_IN_USE where another process runs the agent or keeps it running. Of two that begin at the same
   * moment, the lock beside the database lets one through.
   */
  async claim(name: string): Promise<void> {
    const { disk, processes, home, output } = this.#call
    const paths = prepareAgentFolder(disk, home, name)
    const other = readProcessRecord(disk, paths.supervisorRecord)
    if (isAlive(processes, other) && other.pid !== process.pid)
      throw inUse(name, other.pid, other.daemon === true ? 'daemon' : 'process')
    // It has noticed at once that its supervisor was killed.
    const deadlineMs = performance.now() + longestStopMs(this.#call, [agentChild(name)])
    for (let told = false; ; told = true) {
      const agent = readProcessRecord(disk, paths.processRecord)
      if (!isAlive(processes, agent)) break
      // It is this one's own: by the time that its name has been heard here, it may be ready.
      if (agent.supervisorPid === process.pid) break
      // One that has lost its supervisor is on its way out; any other one is somebody's.
      const orphaned = agent.supervisorPid !== null && processes.identify(agent.supervisorPid) === undefined
      if (!orphaned) throw inUse(name, agent.pid, agent.daemon === true ? 'dead daemon' : 'process')
      // One that does not notice (a handler in an endless loop) is nobody's any more, and loses nothing by this.
      if (performance.now() > deadlineMs) signalProcess(processes, agent, 'SIGKILL')
      if (!told) output.note(`waiting for process ${agent.pid}, which was left behind and is stopping`)
      await delay(50)
    }
    const record: ProcessRecord = {
      pid: process.pid,
      identity: processes.identify(process.pid) ?? '',
      instance: this.#instance,
      startedAt: Date.now(),
      controlSocket: '',
      ingressPort: null,
      supervisorPid: null,
      hub: null,
    }
    try {
      writeProcessRecord(disk, paths.supervisorRecord, record)
    } catch (cause) {
      throw unwritable(paths.supervisorRecord, cause)
    }
    this.#paths = paths
  }

  release(): void {
    if (this.#paths !== undefined)
      removeProcessRecord(this.#call.disk, this.#paths.supervisorRecord, this.#instance)
    this.#paths = undefined
  }
}

function inUse(name: string, pid: number, by: 'process' | 'daemon' | 'dead daemon'): PerduraError {
  const stop = `perdura stop ${name} ends it`
  const who = {
    process: `in process ${pid}: perdura status ${name} shows it, ${stop}`,
    daemon: `kept by the daemon (process ${pid}): ${stop}`,
    'dead daemon': `in process ${pid}, of a daemon that does not run any more: perdura daemon start goes on with it, ${stop}`,
  }
  return new PerduraError('ERR_HOME_IN_USE', `${name} is running already, ${who[by]}`, {
    details: { agent: name, pid },
  })
}
