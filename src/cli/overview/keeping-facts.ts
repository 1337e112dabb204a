import type { ProcessUsage } from '../../platform/process-usage.ts'
import { newestCrashReport } from '../../platform/node/crash-files.ts'
import { readOutputFrom } from '../../platform/node/output-file.ts'
import type { AgentPaths } from '../../runtime/home.ts'
import type { EndFacts, KeepingFacts } from '../../runtime/why-facts.ts'
import { isFailure, type EndRecord } from '../../supervisor/exits.ts'
import { evidenceIn, failureIn } from '../last-said.ts'
import type { ProcessView } from '../look.ts'
import { endText, type ChildFacts } from './child-state.ts'
import type { DaemonView } from './daemon-view.ts'

/** What a daemon and its record of an agent say, as `why` takes it. */
export function keepingFacts(
  facts: ChildFacts,
  process: ProcessView,
  daemon: DaemonView | undefined,
  paths: AgentPaths,
  usage: ProcessUsage | undefined,
  now: number,
): KeepingFacts | undefined {
  const { record, shown, alive, keeper } = facts
  if (record === undefined) return undefined
  const { past, wanted, outcome } = record
  const waitMs = shown?.nextStartInMs === undefined ? undefined : shown.since + shown.nextStartInMs - now
  const kept = alive === undefined ? failureIn(past.ends.at(-1)) : undefined
  const crash = newestCrashReport(paths.crashes)
  const ending = (end: EndRecord | undefined): EndFacts | undefined =>
    end && { at: end.at, reason: end.reason, text: endText(end, shown), said: end.said ?? undefined }
  return {
    keeper,
    daemon: daemon === undefined ? 'none' : daemon.children === undefined ? 'silent' : 'running',
    isWanted: wanted === 'running',
    isOrphan: alive !== undefined && process.record?.daemon === true && daemon === undefined,
    outcome,
    failure: shown?.failure ?? kept ?? (outcome === 'failed' ? lastSaid(paths.output) : undefined),
    nextTryMs: alive !== undefined || waitMs === undefined ? undefined : Math.max(0, waitMs),
    lastEnd: ending(past.ends.at(-1)),
    lastFailure: ending(past.ends.findLast(({ reason }) => isFailure(reason) || reason === 'memory')),
    failuresInARow: past.failuresInARow,
    failuresInWindow: shown?.failuresInWindow ?? 0,
    safeModeAfter: shown?.policy.failuresMax,
    safeMode: past.safeMode.period ?? undefined,
    evidence: shown?.evidence ?? evidenceIn(past.ends),
    crash,
    isSuspended: usage?.suspended ?? false,
    health: shown?.beat?.reasons ?? [],
    unsaved: shown?.unsaved,
  }
}

/** The last error that a process wrote where nobody was there to be told: it ended before it had found its daemon. */
function lastSaid(output: string): KeepingFacts['failure'] {
  const text = readOutputFrom(output, 0, outputBytesMax)
  const [, code, message] = [...text.matchAll(/^perdura: (ERR_\w+): (.+)$/gm)].at(-1) ?? []
  return code === undefined || message === undefined ? undefined : { code, message }
}

const outputBytesMax = 4_096
