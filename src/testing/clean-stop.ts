import type { Agent, StopSummary } from '../runtime/agent.ts'
import type { SimulatedClock } from './clock.ts'
import type { SimulatedProcess } from './process.ts'

/** A clean stop, in virtual time. */
export interface StopRecord {
  readonly askedMs: number
  readonly deadlineMs: number
  /** When whoever asked lost patience. */
  hurriedMs: number | undefined
  /** Set once it was over. */
  closedMs: number | undefined
  summary: StopSummary | undefined
}

export interface StopOptions {
  readonly clock: SimulatedClock
  readonly process: SimulatedProcess
  readonly deadlineMs: number
  /** After so long nothing is to be waited for any more. */
  readonly hurryAfterMs: number | undefined
}

/** Asks an agent to stop; `ended` settles as its closing does, and not at all where its process dies over it. */
export function stopCleanly(
  agent: Agent,
  { clock, process, deadlineMs, hurryAfterMs }: StopOptions,
): { readonly record: StopRecord; readonly ended: Promise<void> } {
  const hurry = new AbortController()
  const record: StopRecord = {
    askedMs: clock.monotonicMs(),
    deadlineMs,
    hurriedMs: undefined,
    closedMs: undefined,
    summary: undefined,
  }
  agent.on('agent:stop:done', (summary) => (record.summary = summary))
  if (hurryAfterMs !== undefined) {
    const lose = (): void => {
      record.hurriedMs = clock.monotonicMs()
      hurry.abort()
    }
    clock.schedule(hurryAfterMs, lose, process)
  }
  const ended = agent.close({ deadlineMs, hurry: hurry.signal }).then(() => {
    record.closedMs = clock.monotonicMs()
  })
  return { record, ended }
}
