import { isAlive } from '../../platform/process-table.ts'
import type { ProcessUsage } from '../../platform/process-usage.ts'
import { agentPaths } from '../../runtime/home.ts'
import type { LiveSession } from '../../runtime/live-session.ts'
import { readProcessRecord } from '../../runtime/process-record.ts'
import { storedStatus, type StoredStatus } from '../../runtime/queries.ts'
import type { Call } from '../call.ts'
import { agentChild, hubChild } from '../child-name.ts'
import { readAgent } from '../database.ts'
import { hubPaths, readHubRecord, type HubRecord } from '../hub-record.ts'
import { viewProcess, type ProcessView } from '../look.ts'
import { viewSession, type SessionView } from '../session-view.ts'
import { SupervisionFiles } from '../supervision-files.ts'
import { stateOf, type ChildFacts, type Keeper, type StateWord } from './child-state.ts'
import type { DaemonView } from './daemon-view.ts'

/** An agent as it stands, from its files, the process table and, where there is one, its daemon. */
export interface AgentView {
  readonly agent: string
  readonly facts: ChildFacts
  readonly state: StateWord
  readonly process: ProcessView
  readonly usage: ProcessUsage | undefined
  /** What its database says; the reason where it cannot be read. */
  readonly stored: StoredStatus | Error
  readonly lag: number
  /** Undefined without a hub, and where the database cannot be read. */
  readonly session: SessionView | undefined
}

export interface HubView {
  readonly facts: ChildFacts
  readonly state: StateWord
  /** Of the process that runs. */
  readonly record: HubRecord | undefined
  readonly usage: ProcessUsage | undefined
}

/** Reads an agent; nothing is changed by it, and nothing waited for. */
export function viewAgent(
  call: Call,
  agent: string,
  daemon: DaemonView | undefined,
  live?: LiveSession,
): AgentView {
  const paths = agentPaths(call.home, agent)
  const process = viewProcess(call, paths)
  const { facts, usage } = viewKept(call, agent, process, daemon)
  const state = stateOf(facts)
  try {
    return readAgent(call, paths, (store) => ({
      agent,
      facts,
      state,
      process,
      usage,
      stored: storedStatus(store.reader),
      lag: store.lag,
      session: viewSession(store.reader, process, live),
    }))
  } catch (error) {
    return { agent, facts, state, process, usage, stored: error as Error, lag: 0, session: undefined }
  }
}

/** Of an agent, everything but what its database says. */
export function viewKept(
  call: Call,
  agent: string,
  process: ProcessView,
  daemon: DaemonView | undefined,
): { readonly facts: ChildFacts; readonly usage: ProcessUsage | undefined } {
  const alive = process.state === 'running' ? process.record : undefined
  const usage = alive === undefined ? undefined : call.usage.measure([alive.pid]).get(alive.pid)
  const facts: ChildFacts = {
    alive: alive && { pid: alive.pid, startedAt: alive.startedAt, safeMode: process.safeMode },
    leftBehind: process.state === 'killed',
    keeper: keeperOf(call, agentPaths(call.home, agent).supervisorRecord),
    ...supervisionOf(call, agentChild(agent), daemon),
    suspended: usage?.suspended ?? false,
  }
  return { facts, usage }
}

/** Undefined where no hub has ever run in this home. */
export function viewHub(call: Call, daemon: DaemonView | undefined): HubView | undefined {
  const paths = hubPaths(call.home)
  const record = readHubRecord(call.disk, paths.record)
  const supervision = supervisionOf(call, hubChild, daemon)
  if (record === undefined && supervision.record === undefined && !call.disk.exists(paths.database))
    return undefined
  const alive = isAlive(call.processes, record) ? record : undefined
  const usage = alive === undefined ? undefined : call.usage.measure([alive.pid]).get(alive.pid)
  const byUp = alive !== undefined && alive.supervisorPid !== null && alive.daemon !== true
  const facts: ChildFacts = {
    alive: alive && { pid: alive.pid, startedAt: alive.startedAt, safeMode: false },
    leftBehind: record !== undefined && alive === undefined,
    keeper: byUp
      ? 'up'
      : supervision.shown?.state === 'stopped' || daemon === undefined
        ? 'nobody'
        : 'daemon',
    ...supervision,
    suspended: usage?.suspended ?? false,
  }
  return { facts, state: stateOf(facts), record: alive, usage }
}

function keeperOf(call: Call, supervisorRecord: string): Keeper {
  const keeper = readProcessRecord(call.disk, supervisorRecord)
  if (!isAlive(call.processes, keeper)) return 'nobody'
  return keeper.daemon === true ? 'daemon' : 'up'
}

function supervisionOf(
  call: Call,
  child: string,
  daemon: DaemonView | undefined,
): Pick<ChildFacts, 'record' | 'shown'> {
  return {
    record: new SupervisionFiles(call.disk, call.home).record(child),
    shown: daemon?.children?.get(child),
  }
}
