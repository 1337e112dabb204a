import type { Housekeeping } from '../agent/housekeeping.ts'
import type { TimerService } from '../agent/timers.ts'
import type { TurnLoop } from '../agent/turn-loop.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { AgentOutbox } from './agent-outbox.ts'
import type { CloseOptions, StopSummary } from './agent.ts'
import { runStages } from './stages.ts'

export interface AgentToClose {
  readonly clock: Clock
  readonly log: Log
  readonly loop: Pick<TurnLoop, 'stop' | 'openCount'>
  readonly timers: Pick<TimerService, 'close'>
  readonly outbox: Pick<AgentOutbox, 'flush' | 'close' | 'count'>
  readonly housekeeping: Pick<Housekeeping, 'close'>
  /** Saves what is to be saved last, and lets go of the folder. */
  readonly release: () => Promise<void>
}

const defaultDeadlineMs = 10_000
/** What the last turns say is to get out as well: of the deadline, so much is theirs at most, a tenth of a short one. */
const sendMsMax = 1_000

/**
 * Ends an agent in the order in which work flows: turns finish or are interrupted, what they said is sent, the hub is left,
 * the last state is saved. Returns what was left for the next start, and what went wrong.
 */
export async function closeAgent(
  { clock, log, loop, timers, outbox, housekeeping, release }: AgentToClose,
  { deadlineMs = defaultDeadlineMs, handover = false, hurry }: CloseOptions,
): Promise<{ readonly summary: StopSummary; readonly failures: readonly Error[] }> {
  const closingMs = clock.monotonicMs()
  const passedMs = (): number => clock.monotonicMs() - closingMs
  const sendMs = Math.min(sendMsMax, deadlineMs / 10)
  housekeeping.close()
  timers.close()
  let interruptedTurns = 0
  const failures = await runStages({ clock, log }, [
    [
      'turns',
      async () => {
        interruptedTurns = await loop.stop(deadlineMs - sendMs, hurry)
        return { interruptedTurns, openTurns: loop.openCount }
      },
    ],
    [
      'outbox',
      async () => {
        await outbox.flush(Math.max(sendMs, deadlineMs - passedMs()), hurry)
        return { unsentMessages: outbox.count }
      },
    ],
    ['hub', () => outbox.close({ handover })],
    // Whatever went wrong: the next process can only start once this one has let go of the folder.
    ['state', release],
  ])
  const [openTurns, unsentMessages] = [loop.openCount, outbox.count]
  const summary = { durationMs: Math.round(passedMs()), interruptedTurns, openTurns, unsentMessages }
  return { summary, failures }
}
