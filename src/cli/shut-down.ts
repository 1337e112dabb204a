import { formatDuration } from '../duration.ts'
import { exitCodes } from '../exit-codes.ts'
import type { Log } from '../platform/log.ts'
import type { Agent, StopSummary } from '../runtime/agent.ts'
import type { Served } from '../runtime/serve.ts'
import { runStages, stopFailure } from '../runtime/stages.ts'
import { plural } from '../runtime/why-text.ts'
import type { Call } from './call.ts'

/** For requests that are being answered. */
const requestGraceMs = 1_000
/** After the deadline, ms: what still has not ended then hangs, and the next start does without it. */
const hangingMs = 4_500

export interface Stopping {
  readonly agent: Agent
  readonly served: Served
  readonly reason: string
  readonly log: Log
  /** For turns, and for what they send. */
  readonly deadlineMs: number
  readonly handover: boolean
  readonly hurry: AbortSignal
}

/** Ends an agent in the order in which work flows: nothing new comes in, what runs ends, then nobody can look any more. */
export async function shutDown(call: Call, stopping: Stopping): Promise<void> {
  const { agent, served, reason, log, deadlineMs, handover, hurry } = stopping
  const startedMs = performance.now()
  const restMs = (): number => Math.max(0, deadlineMs - (performance.now() - startedMs))
  const graceMs = (): number => (hurry.aborted ? 0 : Math.min(requestGraceMs, Math.max(100, restMs())))
  log.info('agent:stop:began', { reason, deadlineMs: Math.round(deadlineMs) })
  call.output.note(`${agent.name} is stopping (${reason})`)
  let left: StopSummary | undefined
  agent.on('agent:stop:done', (summary) => (left = summary))
  const hanging = setTimeout(() => {
    log.error('agent:stop:hung', { deadlineMs: Math.round(deadlineMs) })
    call.output.note(`${agent.name} does not come to an end: it ends here, and recovers at the next start`)
    process.exit(exitCodes.failed)
  }, deadlineMs + hangingMs)
  const failures = await runStages({ clock: { monotonicMs: () => performance.now() }, log }, [
    ['ingress', () => served.closeIngress(graceMs())],
    ['agent', () => agent.close({ deadlineMs: restMs(), handover, hurry })],
    ['control', () => served.close(graceMs())],
  ])
  clearTimeout(hanging)
  if (failures.length > 0) throw stopFailure(agent.name, failures)
  const rest = left === undefined ? '' : describeRest(left)
  call.output.note(`${agent.name} stopped in ${formatDuration(performance.now() - startedMs)}${rest}`)
}

/** What waits for the next start; nothing where there is nothing. */
function describeRest({ interruptedTurns, openTurns, unsentMessages }: StopSummary): string {
  const parts = [
    interruptedTurns > 0 && `${plural(interruptedTurns, 'turn')} interrupted`,
    openTurns > interruptedTurns && `${plural(openTurns - interruptedTurns, 'turn')} not begun`,
    unsentMessages > 0 && `${plural(unsentMessages, 'message')} not sent`,
  ].filter((part) => part !== false)
  return parts.length === 0 ? '' : `; kept for the next start: ${parts.join(', ')}`
}
