import { setTimeout as delay } from 'node:timers/promises'
import { drainMsMax, formatDuration } from '../../duration.ts'
import { PerduraError } from '../../errors.ts'
import { isAlive } from '../../platform/process-table.ts'
import type { AgentPaths } from '../../runtime/home.ts'
import type { Call } from '../call.ts'
import { askAgent, notRunning } from '../control-client.ts'
import { requireAgent, viewProcess } from '../look.ts'
import { askSession } from '../session-view.ts'

const defaultTimeoutMs = 30_000
const defaultDeadlineMs = 10_000
const pollMs = 10

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const deadlineMs = call.durationMs('deadline', defaultDeadlineMs, drainMsMax)
  const timeoutMs = call.durationMs('timeout', defaultTimeoutMs + deadlineMs)
  const paths = requireAgent(call, agent)
  const { record: old, state, supervised } = viewProcess(call, paths)
  if (old === undefined || state !== 'running') throw notRunning(call, paths)
  const { instance: oldInstance, hub } = old
  const startedMs = performance.now()
  const body = { deadline_ms: Math.round(deadlineMs) }
  await askAgent(call, paths, { method: 'POST', path: '/v1/session/handover', body })
  const endMs = startedMs + timeoutMs
  while (isAlive(call.processes, old)) await pause(agent, endMs, 'is still finishing what it was doing')
  const endedMs = performance.now() - startedMs
  if (!supervised) {
    call.output.note(
      `${agent} has let go of its session; nothing starts it again: ${call.hint(`perdura start ${agent}`)}`,
    )
    call.output.document({ agent, handedOver: true, next: null, oldEndedMs: Math.round(endedMs) })
    return
  }
  const pid = await nextOnline(call, agent, paths, {
    oldInstance,
    hasHub: hub !== null,
    endMs,
  })
  const doneMs = performance.now() - startedMs
  call.output.line(
    `${agent} goes on in process ${pid}: the old one ended after ${formatDuration(endedMs)}, the new one was there ` +
      `${formatDuration(doneMs - endedMs)} later`,
  )
  call.output.document({
    agent,
    handedOver: true,
    next: pid,
    oldEndedMs: Math.round(endedMs),
    nextOnlineMs: Math.round(doneMs),
  })
}

/** The next process, once it is online where it is at a hub. */
async function nextOnline(
  call: Call,
  agent: string,
  paths: AgentPaths,
  {
    oldInstance,
    hasHub,
    endMs,
  }: { readonly oldInstance: string; readonly hasHub: boolean; readonly endMs: number },
): Promise<number> {
  for (;;) {
    const { record, state } = viewProcess(call, paths)
    if (record !== undefined && state === 'running' && record.instance !== oldInstance) {
      if (!hasHub) return record.pid
      const { live } = await askSession(call, paths, 1_000)
      if (live?.state === 'online') return record.pid
    }
    await pause(agent, endMs, 'has let go of its session, and the next process is not online yet')
  }
}

async function pause(agent: string, endMs: number, what: string): Promise<void> {
  if (performance.now() > endMs) {
    throw new PerduraError(
      'ERR_TIMEOUT',
      `${agent} ${what}: perdura why ${agent} says more; wait longer with --timeout`,
    )
  }
  await delay(pollMs)
}
