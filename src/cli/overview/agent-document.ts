import type { SessionView } from '../session-view.ts'
import { lastTrouble, type ChildFacts } from './child-state.ts'
import type { DaemonView } from './daemon-view.ts'
import { lifetimeCpu } from './overview-rows.ts'
import type { AgentView, HubView } from './overview.ts'
import type { ProcessUsage } from '../../platform/process-usage.ts'

/** An agent as the documents of `status` have it. */
export function agentDocument(view: AgentView, now: number): object {
  const { agent, process, stored, lag, session } = view
  const { record } = process
  const outside = {
    agent,
    running: process.state === 'running',
    ...keptDocument(view.facts, view.state, view.usage, now),
    process: {
      state: process.state,
      supervised: process.supervised,
      safeMode: process.safeMode,
      pid: record?.pid ?? null,
      instance: record?.instance ?? null,
      startedAt: record?.startedAt ?? null,
      ingressPort: process.state === 'running' ? (record?.ingressPort ?? null) : null,
    },
  }
  if (stored instanceof Error) return { ...outside, error: stored.message }
  return {
    ...outside,
    id: stored.id,
    createdAt: stored.createdAt,
    position: stored.position,
    lag,
    connection: session === undefined ? null : connectionOf(session),
    inbox: stored.inbox,
    outbox: stored.outbox,
    paused: stored.paused,
    timers: stored.timers,
    notes: stored.notes,
    stateKeys: stored.stateKeys,
  }
}

export function hubDocument({ facts, state, record, usage }: HubView, now: number): object {
  return {
    running: record !== undefined,
    ...keptDocument(facts, state, usage, now),
    pid: record?.pid ?? null,
    startedAt: record?.startedAt ?? null,
    addresses: record?.addresses ?? [],
    connected: record?.connected ?? null,
  }
}

export function daemonDocument(
  view: DaemonView | undefined,
  usage: ProcessUsage | undefined,
  now: number,
): object {
  if (view === undefined) return { running: false }
  const { pid, version, startedAt, service } = view.record
  return {
    running: true,
    answers: view.children !== undefined,
    pid,
    version,
    service,
    startedAt,
    usage: usageDocument(usage, now - startedAt),
    ...(view.trouble !== undefined && { trouble: view.trouble }),
  }
}

function keptDocument(
  facts: ChildFacts,
  state: string,
  usage: ProcessUsage | undefined,
  now: number,
): object {
  const { record, shown, keeper, alive } = facts
  const past = record?.past
  const trouble = lastTrouble(facts, now)
  return {
    state,
    keeper,
    wanted: record?.wanted ?? null,
    upMs: alive === undefined ? null : Math.max(0, now - alive.startedAt),
    restarts: past?.restarts ?? null,
    endsByReason: past?.counts ?? null,
    lastEnds: past?.ends ?? [],
    safeMode: past?.safeMode.period === null ? null : (past?.safeMode ?? null),
    crashLooping: past?.crashLooping ?? false,
    nextStartMs:
      shown?.nextStartInMs === undefined || alive !== undefined
        ? null
        : Math.max(0, shown.since + shown.nextStartInMs - now),
    health:
      shown?.beat?.health === undefined ? null : { state: shown.beat.health, reasons: shown.beat.reasons },
    failure: shown?.failure ?? null,
    trouble: trouble === undefined ? null : { text: trouble.text, at: trouble.at ?? null },
    usage: usageDocument(usage, alive === undefined ? undefined : now - alive.startedAt),
  }
}

function usageDocument(usage: ProcessUsage | undefined, upMs: number | undefined): object | null {
  if (usage === undefined) return null
  const { rssBytes, cpuMs, suspended } = usage
  return { rssBytes, cpuMs, cpu: lifetimeCpu(usage, upMs) ?? null, suspended }
}

function connectionOf(session: SessionView): object {
  const { hub, state, reason, since, generation, sessionIdentifier } = session
  const { attempts, nextTryMs, roundTripMs, clockSkewMs } = session
  return {
    hub,
    state,
    reason,
    since,
    generation,
    sessionIdentifier,
    attempts,
    nextTryMs,
    roundTripMs,
    clockSkewMs,
  }
}
