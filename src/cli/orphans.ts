import { setTimeout as delay } from 'node:timers/promises'
import { daemonPaths } from '../daemon/paths.ts'
import { findStartedChildren } from '../daemon/started-children.ts'
import { PerduraError } from '../errors.ts'
import { signalProcess } from '../platform/node/signal-process.ts'
import { isAlive, type ProcessIdentity } from '../platform/process-table.ts'
import { agentPaths } from '../runtime/home.ts'
import { readProcessRecord } from '../runtime/process-record.ts'
import type { Call } from './call.ts'
import { agentOf, hubChild } from './child-name.ts'
import { hubPaths, readHubRecord } from './hub-record.ts'
import { programPath } from './own-program.ts'
import { longestStopMs } from './stop-times.ts'
import { recordedChildren, SupervisionFiles } from './supervision-files.ts'

const pollMs = 25
/** Where the process table does not show it: a process that was being started when its daemon died has so long to say that it is there, ms. */
const unknownProcessMs = 2_000

interface Orphan extends ProcessIdentity {
  readonly child: string
}

/**
 * Ends the processes that a daemon has started and that have outlived it, agents before their hub; resolves to which they
 * were. What is wanted stays as it is: the next daemon starts them again. For where no daemon runs.
 */
export async function endOrphans(call: Call, timeoutMs: number, only?: string): Promise<readonly string[]> {
  const deadlineMs = performance.now() + timeoutMs
  const all = recordedChildren(call.disk, call.home)
  const children = only === undefined ? all : all.filter((child) => child === only)
  const { home, processes } = call
  const { linkSocket } = daemonPaths(home)
  const started = findStartedChildren({ linkSocket, processes, program: programPath })
  if (started === undefined) await knownAll(call, children)
  const ended: string[] = []
  for (const ofHub of [false, true]) {
    const orphans = children
      .filter((child) => (child === hubChild) === ofHub)
      .flatMap(
        (child) => orphanOf(call, child) ?? started?.get(child)?.map((one) => ({ child, ...one })) ?? [],
      )
    for (const orphan of orphans) signalProcess(processes, orphan, 'SIGTERM')
    await gone(call, orphans, deadlineMs)
    ended.push(...orphans.map(({ child }) => child))
  }
  return ended
}

/** By the daemon's record, and by its own word. */
function orphanOf(call: Call, child: string): Orphan | undefined {
  const { disk, home, processes } = call
  const agent = agentOf(child)
  const known = new SupervisionFiles(disk, home).record(child)?.process
  const own =
    agent === undefined
      ? readHubRecord(disk, hubPaths(home).record)
      : readProcessRecord(disk, agentPaths(home, agent).processRecord)
  const candidates = [own?.daemon === true ? own : undefined, identified(known?.pid, known?.identity)]
  const found = candidates.find((candidate) => isAlive(processes, candidate))
  return found === undefined ? undefined : { child, pid: found.pid, identity: found.identity }
}

function identified(pid: number | null = null, identity: string | null = null): ProcessIdentity | undefined {
  return pid === null || identity === null ? undefined : { pid, identity }
}

/** Waits for those that may be there without anybody's knowing them yet. */
async function knownAll(call: Call, children: readonly string[]): Promise<void> {
  const files = new SupervisionFiles(call.disk, call.home)
  const deadlineMs = performance.now() + unknownProcessMs
  const unknown = (child: string): boolean => {
    const process = files.record(child)?.process
    return (
      process !== null && process !== undefined && process.pid === null && orphanOf(call, child) === undefined
    )
  }
  while (performance.now() < deadlineMs && children.some(unknown)) await delay(pollMs)
}

async function gone(call: Call, orphans: readonly Orphan[], deadlineMs: number): Promise<void> {
  const names = orphans.map(({ child }) => child)
  const killMs = performance.now() + longestStopMs(call, names)
  let killed = false
  for (;;) {
    const rest = orphans.filter((orphan) => isAlive(call.processes, orphan))
    if (rest.length === 0) return
    // As the daemon would have done.
    if (!killed && performance.now() > killMs) {
      killed = true
      for (const orphan of rest) signalProcess(call.processes, orphan, 'SIGKILL')
    }
    if (performance.now() > deadlineMs) {
      const who = rest.map(({ child, pid }) => `${agentOf(child) ?? 'the hub'} (process ${pid})`)
      throw new PerduraError('ERR_TIMEOUT', `still stopping: ${who.join(', ')}; wait longer with --timeout`)
    }
    await delay(pollMs)
  }
}
