import { PerduraError } from '../errors.ts'
import { agentExists, agentPaths, checkAgentName, listAgents, type AgentPaths } from '../runtime/home.ts'
import { isAlive } from '../platform/process-table.ts'
import { readProcessRecord, type ProcessRecord } from '../runtime/process-record.ts'
import type { ProcessFacts } from '../runtime/why-facts.ts'
import type { Call } from './call.ts'
import { suggest } from './suggest.ts'

/** Where an agent is that must exist; ERR_NO_SUCH_AGENT says which was probably meant. `others` may be named as well. */
export function requireAgent(call: Call, name: string, others: readonly string[] = []): AgentPaths {
  checkAgentName(name)
  if (!agentExists(call.disk, call.home, name)) throw noSuchAgent(call, name, others)
  return agentPaths(call.home, name)
}

export function noSuchAgent(call: Call, name: string, others: readonly string[] = []): PerduraError {
  const known = listAgents(call.disk, call.home)
  const meant = suggest(name, [...known, ...others])
  const own = notAgents[name]
  const hint =
    own !== undefined
      ? own.map((command) => call.hint(command)).join(', ')
      : meant !== undefined
        ? `did you mean ${meant}?`
        : known.length === 0
          ? `none has been started yet; start the first with: ${call.program} up`
          : `there ${known.length === 1 ? 'is' : 'are'} ${known.slice(0, 10).join(', ')}`
  return new PerduraError('ERR_NO_SUCH_AGENT', `there is no agent "${name}" in ${call.home}: ${hint}`)
}

/** What else a home has, and where that is shown. */
const notAgents: Readonly<Record<string, readonly string[]>> = {
  hub: ['perdura hub status', 'perdura health hub', 'perdura logs hub'],
  daemon: ['perdura daemon status', 'perdura logs daemon'],
}

export interface ProcessView extends ProcessFacts {
  /** Of the process that runs, or of the one that was killed. */
  readonly record: ProcessRecord | undefined
  readonly supervised: boolean
  readonly safeMode: boolean
}

/** What the files beside the database say about the agent's process, checked against the process table. */
export function viewProcess(call: Call, paths: AgentPaths): ProcessView {
  const record = readProcessRecord(call.disk, paths.processRecord)
  const supervisor = readProcessRecord(call.disk, paths.supervisorRecord)
  const supervised = isAlive(call.processes, supervisor)
  if (record === undefined)
    return { state: supervised ? 'killed' : 'stopped', record, supervised, safeMode: false }
  const state = isAlive(call.processes, record) ? 'running' : 'killed'
  const safeMode = state === 'running' && record.safeMode === true
  return { state, pid: record.pid, record, supervised, safeMode }
}
