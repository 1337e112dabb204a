import { effectTable, type EffectTable } from '../agent/effect-ledger.ts'
import { AgentState } from '../agent/state.ts'
import { stepTable, type StepTable } from '../agent/steps.ts'
import { TurnLoop, type TurnLoopOptions } from '../agent/turn-loop.ts'
import { timerTable, type TimerTable } from '../agent/timers.ts'
import { inboxTable, type InboxTable } from '../queue/inbox.ts'
import { outboxParts, type OutboxParts } from '../queue/outbox-parts.ts'
import type { PlainStore } from '../session/plain-store.ts'
import { pauseTable, type PauseTable } from '../queue/pauses.ts'
import { RetryPolicy, type RetryPolicyOptions } from '../session/retry-policy.ts'
import { openStore } from '../store/open-store.ts'
import { closeAgent } from './close-agent.ts'
import { withoutMind } from './safe-mode.ts'
import { StoredPlain, type StoredPlainOptions } from './hub/plain-store.ts'
import { StoredSession, type StoredSessionOptions } from './hub/session-store.ts'

/** The parts that an agent is made of; a simulation can swap one for a broken one, to see that it notices. */
export interface AgentParts {
  readonly openStore: typeof openStore
  readonly inbox: InboxTable
  readonly outbox: OutboxParts
  readonly pauses: PauseTable
  readonly steps: StepTable
  readonly effects: EffectTable
  readonly timers: TimerTable
  readonly loadState: typeof AgentState.load
  readonly withoutMind: typeof withoutMind
  readonly createTurnLoop: (options: TurnLoopOptions) => TurnLoop
  readonly closeAgent: typeof closeAgent
  readonly createSessionStore: (options: StoredSessionOptions) => StoredSession
  readonly createPlainStore: (options: StoredPlainOptions) => PlainStore
  readonly createRetryPolicy: (options: RetryPolicyOptions) => RetryPolicy
}

export const agentParts: AgentParts = {
  openStore,
  inbox: inboxTable,
  outbox: outboxParts,
  pauses: pauseTable,
  steps: stepTable,
  effects: effectTable,
  timers: timerTable,
  loadState: (reader, definition) => AgentState.load(reader, definition),
  withoutMind,
  createTurnLoop: (options) => new TurnLoop(options),
  closeAgent,
  createSessionStore: (options) => new StoredSession(options),
  createPlainStore: (options) => new StoredPlain(options),
  createRetryPolicy: (options) => new RetryPolicy(options),
}
