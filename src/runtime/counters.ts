import type { Agent } from './agent.ts'

/** What one process of an agent has done since it started. */
export type Counters = Readonly<Record<keyof typeof noCounters, number>>

/** Those of a process that has done nothing yet. */
export const noCounters = {
  accepted: 0,
  duplicates: 0,
  attempts: 0,
  failures: 0,
  done: 0,
  parked: 0,
  dead: 0,
  sent: 0,
  delivered: 0,
  refused: 0,
  expired: 0,
}

/** Counts from now on; the object returned is the live one. */
export function countEvents(agent: Pick<Agent, 'on'>): Counters {
  const counters = { ...noCounters }
  agent.on('inbox:entry:accepted', () => counters.accepted++)
  agent.on('inbox:entry:duplicate', () => counters.duplicates++)
  agent.on('turn:attempt:started', () => counters.attempts++)
  agent.on('turn:attempt:failed', () => counters.failures++)
  agent.on('turn:done', () => counters.done++)
  agent.on('turn:parked', () => counters.parked++)
  agent.on('turn:dead', () => counters.dead++)
  agent.on('outbox:message:committed', () => counters.sent++)
  agent.on('outbox:message:delivered', () => counters.delivered++)
  agent.on('outbox:message:refused', () => counters.refused++)
  agent.on('outbox:message:expired', () => counters.expired++)
  return counters
}
