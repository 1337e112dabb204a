import { basename } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { PerduraError } from '../errors.ts'
import { signalProcess } from '../platform/node/signal-process.ts'
import { isAlive } from '../platform/process-table.ts'
import type { AgentPaths } from '../runtime/home.ts'
import { readProcessRecord, removeProcessRecord, type ProcessRecord } from '../runtime/process-record.ts'
import { writeRecord } from '../supervisor/record.ts'
import type { Call } from './call.ts'
import { agentChild } from './child-name.ts'
import { askAgent } from './control-client.ts'
import { showChild, tellChild, untilStopped } from './daemon-child.ts'
import { findDaemon } from './daemon-client.ts'
import { endOrphans } from './orphans.ts'
import { longestStopMs } from './stop-times.ts'
import { SupervisionFiles } from './supervision-files.ts'

const pollMs = 25
/** So long before whoever waits gives up, one that does not answer is killed, ms: then it is still seen to go. */
const killLeadMs = 1_000

export interface StopOptions {
  readonly timeoutMs: number
  /** It lets go of its session at the hub before it ends. */
  readonly handover?: boolean
}

/**
 * Stops an agent, and whatever keeps it running: resolves to whether there was anything to stop, once both are gone. The daemon
 * stops its own, and remembers that they are not wanted; where it is dead, that is written down for the next one.
 */
export async function stopAgent(call: Call, paths: AgentPaths, options: StopOptions): Promise<boolean> {
  const child = agentChild(basename(paths.folder))
  const kept = await showChild(call, child)
  if (kept !== undefined && (kept.wanted || kept.state !== 'stopped')) {
    if (options.handover === true) await askToLetGo(call, paths)
    await tellChild(call, child, 'stop')
    await untilStopped(call, child, options.timeoutMs)
    return true
  }
  unwant(call, child)
  const stopped = (await stopAlone(call, paths, options)) || (await stopStarting(call, child, options))
  // A daemon that began meanwhile may have read what was wanted before that was changed: it says so before it reads.
  const begun = await showChild(call, child)
  if (begun?.wanted !== true) return stopped
  await tellChild(call, child, 'stop')
  await untilStopped(call, child, options.timeoutMs)
  return true
}

async function stopAlone(call: Call, paths: AgentPaths, options: StopOptions): Promise<boolean> {
  const { timeoutMs, handover = false } = options
  const deadlineMs = performance.now() + timeoutMs
  const found = living(call, paths)
  if (found.length === 0) return false
  const answered = await askToStop(call, paths, found, handover)
  // One that has taken it in gets the time to put its work down that a supervisor would give it; one that does not answer
  // has nothing to put down that it could.
  const killMs = performance.now() + longestStopMs(call, [agentChild(basename(paths.folder))])
  const killAtMs = answered ? killMs : Math.min(killMs, deadlineMs - killLeadMs)
  // Looked up anew each time: an `up` that keeps other agents too says by removing its record that it lets go of this one.
  for (let rest = found; rest.length > 0; rest = stillThere(call, paths, found)) {
    if (performance.now() > killAtMs) killAlone(call, paths, rest)
    if (performance.now() > deadlineMs) {
      const pids = rest.map((record) => record.pid)
      throw new PerduraError(
        'ERR_TIMEOUT',
        `${basename(paths.folder)} is still stopping (process ${pids.join(', ')}): wait longer with --timeout`,
      )
    }
    await delay(pollMs)
  }
  // One that was killed could not do so itself: it has been stopped, and did not die of something.
  for (const { instance } of found) removeProcessRecord(call.disk, paths.processRecord, instance)
  return true
}

/** One that a dead daemon was starting: until it is ready, it has written down nothing of itself. */
async function stopStarting(call: Call, child: string, { timeoutMs }: StopOptions): Promise<boolean> {
  if (findDaemon(call) !== undefined) return false
  const ended = await endOrphans(call, timeoutMs, child)
  return ended.length > 0
}

/** No daemon runs that could be told: the next one starts it no more. */
export function unwant(call: Call, child: string): void {
  const files = new SupervisionFiles(call.disk, call.home)
  const record = files.record(child)
  if (record?.wanted === 'running') files.write(child, writeRecord({ ...record, wanted: 'stopped' }))
}

/** The agent's process and the one that would start it again; a daemon is not ended for one of its agents. */
function living(call: Call, paths: AgentPaths): ProcessRecord[] {
  const keeper = readProcessRecord(call.disk, paths.supervisorRecord)
  const records = [
    keeper?.daemon === true ? undefined : keeper,
    readProcessRecord(call.disk, paths.processRecord),
  ]
  return records.filter((record) => isAlive(call.processes, record))
}

function stillThere(call: Call, paths: AgentPaths, found: readonly ProcessRecord[]): ProcessRecord[] {
  const now = living(call, paths)
  return found.filter((record) =>
    now.some(({ pid, instance }) => pid === record.pid && instance === record.instance),
  )
}

/** One that somebody else keeps is for that one to kill: it would be started again. */
function killAlone(call: Call, paths: AgentPaths, rest: readonly ProcessRecord[]): void {
  const [only, other] = rest
  const own = readProcessRecord(call.disk, paths.processRecord)
  if (only === undefined || other !== undefined || own?.instance !== only.instance) return
  signalProcess(call.processes, only, 'SIGKILL')
}

/** What does not answer is stopped all the same. */
async function askToLetGo(call: Call, paths: AgentPaths): Promise<void> {
  try {
    await askAgent(call, paths, { method: 'POST', path: '/v1/stop', body: { handover: true } }, 2_000)
  } catch (error) {
    if (!(error instanceof PerduraError)) throw error
  }
}

/**
 * Over the control socket, by which the agent tells its supervisor too; by a signal where it does not answer. Resolves to
 * whether it did.
 */
async function askToStop(
  call: Call,
  paths: AgentPaths,
  found: readonly ProcessRecord[],
  handover: boolean,
): Promise<boolean> {
  try {
    await askAgent(call, paths, { method: 'POST', path: '/v1/stop', body: { handover } }, 2_000)
    return true
  } catch (error) {
    if (!(error instanceof PerduraError)) throw error
    // The supervisor comes first: it takes its child along, and kills it where it does not end.
    const [first] = found
    signalProcess(call.processes, first, 'SIGTERM')
    return false
  }
}
