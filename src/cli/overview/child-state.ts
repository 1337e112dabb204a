import { formatDuration } from '../../duration.ts'
import type { HealthState } from '../../health/report.ts'
import { isFailure, type EndRecord } from '../../supervisor/exits.ts'
import type { SupervisionRecord } from '../../supervisor/record.ts'
import { defaultPolicy } from '../../supervisor/policy.ts'
import { describeEnd } from '../describe-end.ts'
import { failureIn } from '../last-said.ts'
import type { DaemonChild } from './daemon-child.ts'

/** How a process that is kept running stands, in one word. */
export type StateWord =
  | HealthyState
  | 'safe-mode'
  | 'starting'
  | 'restarting'
  | 'backing-off'
  | 'crash-looping'
  | 'hung'
  | 'suspended'
  | 'stopping'
  | 'failed'
  | 'finished'
  | 'killed'
  /** It is wanted, and nobody is there to start it. */
  | 'down'
  | 'stopped'

/** It runs; besides, how it finds itself. */
type HealthyState = 'running' | Exclude<HealthState, 'healthy'>

/** What is known of one agent or hub from outside: its files, the process table, and its daemon where one answers. */
export interface ChildFacts {
  /** Its process, by its own record and the process table. */
  readonly alive: { readonly pid: number; readonly startedAt: number; readonly safeMode: boolean } | undefined
  /** A process has left its record behind, and is gone. */
  readonly leftBehind: boolean
  readonly keeper: Keeper
  /** Of the daemon; undefined where none has ever kept it. */
  readonly record: Pick<SupervisionRecord, 'wanted' | 'outcome' | 'past'> | undefined
  /** As the daemon has it now. */
  readonly shown: DaemonChild | undefined
  /** Somebody has stopped the process. */
  readonly suspended: boolean
}

/** Who starts it again. */
export type Keeper = 'daemon' | 'up' | 'nobody'

export function stateOf(facts: ChildFacts): StateWord {
  const { alive, shown, keeper, record, leftBehind } = facts
  const kept = keeper === 'up' ? undefined : shown
  if (kept?.state === 'killing') return 'hung'
  if (kept?.state === 'stopping' || kept?.state === 'restarting') return kept.state
  if (alive !== undefined) {
    if (facts.suspended) return 'suspended'
    if (alive.safeMode) return 'safe-mode'
    const health = kept?.beat?.health
    return health === undefined || health === 'healthy' ? 'running' : health
  }
  switch (kept?.state) {
    case 'queued':
    case 'starting':
    case 'running':
      return 'starting'
    case 'backing-off':
      return record?.past.crashLooping === true ? 'crash-looping' : 'backing-off'
    case 'failed':
    case 'finished':
      return kept.state
    default:
  }
  if (keeper !== 'nobody' && kept === undefined) return 'restarting'
  if (keeper === 'nobody' && record?.outcome !== null && record?.outcome !== undefined) return record.outcome
  if (keeper === 'nobody' && record?.wanted === 'running') return 'down'
  return leftBehind ? 'killed' : 'stopped'
}

export interface Trouble {
  readonly text: string
  /** Wall-clock ms; undefined for what is so now. */
  readonly at: number | undefined
}

/** Ends that are older than that are history, ms. */
const recentMs = 86_400_000

/** What went wrong last, and is not long ago. */
export function lastTrouble(facts: ChildFacts, now: number): Trouble | undefined {
  const { shown, record } = facts
  if (facts.alive !== undefined && facts.suspended)
    return { text: suspendedText(facts.alive.pid), at: undefined }
  const [reason] = shown?.beat?.reasons ?? []
  if (facts.alive !== undefined && reason !== undefined) return { text: reason.text, at: undefined }
  const end = record?.past.ends.findLast((one) => isFailure(one.reason) || one.reason === 'refused')
  const failure = shown?.failure
  if (failure !== undefined && facts.alive === undefined)
    return { text: `${failure.code}: ${failure.message}`, at: end?.at }
  if (end === undefined || now - end.at > recentMs) return undefined
  return { text: failureIn(end) === undefined ? endText(end, shown) : (end.said ?? ''), at: end.at }
}

export function suspendedText(pid: number): string {
  return `somebody has stopped its process; this lets it go on: kill -CONT ${pid}`
}

/** How a process ended, in words. */
export function endText(end: EndRecord, shown: Pick<DaemonChild, 'policy'> | undefined): string {
  const policy = shown?.policy ?? defaultPolicy
  return describeEnd({ code: end.code, signal: end.signal }, end.reason, policy)
}

export function agoText(at: number | undefined, now: number): string {
  return at === undefined ? '' : ` (${formatDuration(Math.max(0, now - at))} ago)`
}
