import type { Random } from '../platform/random.ts'
import { restartDelayMs } from './backoff.ts'
import type { EndReason } from './exits.ts'
import type { ChildHistory } from './history.ts'
import type { ChildPolicy } from './policy.ts'

/** Whether an end for this reason is followed by another start. */
export function goesOn(reason: EndReason, policy: Pick<ChildPolicy, 'restart'>): boolean {
  if (policy.restart === 'always' || reason === 'restart') return true
  return policy.restart === 'on-failure' && reason !== 'exited'
}

export interface PastEnd {
  readonly reason: EndReason
  readonly isFailure: boolean
  readonly wasReady: boolean
}

/**
 * How long to wait before it, ms. What was asked for is not kept waiting; a failure is, the longer the more there were in
 * a row; too much memory as well, without being one; and what fails too often and has no safe mode most of all.
 */
export function nextStartDelayMs(
  { reason, isFailure, wasReady }: PastEnd,
  history: Pick<ChildHistory, 'crashLooping' | 'failuresInARow' | 'memoryInARow'>,
  { backoff }: Pick<ChildPolicy, 'backoff'>,
  random: Random,
): number {
  if (reason === 'memory') return restartDelayMs(history.memoryInARow, false, random, backoff)
  if (!isFailure) return 0
  if (history.crashLooping) return Math.floor((backoff.capMs * (1 + random.fraction())) / 2)
  return restartDelayMs(history.failuresInARow, wasReady, random, backoff)
}
