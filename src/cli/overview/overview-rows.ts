import type { ProcessUsage } from '../../platform/process-usage.ts'
import { agoText, lastTrouble, suspendedText, type ChildFacts } from './child-state.ts'
import type { DaemonView } from './daemon-view.ts'
import type { OverviewRow } from './overview-table.ts'
import type { AgentView, HubView } from './overview.ts'

export function daemonRow(
  { record, children, trouble }: DaemonView,
  usage: ProcessUsage | undefined,
  now: number,
): OverviewRow {
  const upMs = Math.max(0, now - record.startedAt)
  return {
    name: 'daemon',
    state: usage?.suspended === true ? 'suspended' : children === undefined ? 'not answering' : 'running',
    pid: record.pid,
    upMs,
    ...usageCells(usage, upMs),
    trouble: usage?.suspended === true ? suspendedText(record.pid) : trouble,
  }
}

export function hubRow({ facts, state, record, usage }: HubView, now: number): OverviewRow {
  return {
    name: 'hub',
    state,
    ...processCells(facts, usage, now),
    ...(record !== undefined && { session: `${record.connected} there` }),
  }
}

export function agentRow(view: AgentView, now: number): OverviewRow {
  const { agent, facts, state, stored, session, usage } = view
  const cells = { name: agent, state, ...processCells(facts, usage, now) }
  if (stored instanceof Error) return { ...cells, trouble: stored.message }
  const { inbox, outbox } = stored
  return {
    ...cells,
    session: session?.state ?? 'no hub',
    queue: { open: inbox.pending + inbox.running + inbox.parked, outgoing: outbox.pending - outbox.forYou },
    parked: inbox.parked,
    dead: inbox.dead,
  }
}

function processCells(
  facts: ChildFacts,
  usage: ProcessUsage | undefined,
  now: number,
): Pick<OverviewRow, 'pid' | 'upMs' | 'restarts' | 'rssBytes' | 'cpu' | 'trouble'> {
  const { alive, record, shown } = facts
  const upMs = alive === undefined ? undefined : Math.max(0, now - alive.startedAt)
  const trouble = lastTrouble(facts, now)
  const waitMs = shown?.nextStartInMs === undefined ? 0 : shown.since + shown.nextStartInMs - now
  const next = alive === undefined && waitMs > 0 ? `; next try in ${Math.ceil(waitMs / 1_000)}s` : ''
  return {
    pid: alive?.pid,
    upMs,
    restarts: record?.past.restarts,
    ...usageCells(usage, upMs),
    trouble: trouble === undefined ? undefined : `${trouble.text}${agoText(trouble.at, now)}${next}`,
  }
}

/** Over the life of the process, as `ps` has it: one look has no other. */
function usageCells(
  usage: ProcessUsage | undefined,
  upMs: number | undefined,
): Pick<OverviewRow, 'rssBytes' | 'cpu'> {
  if (usage === undefined) return {}
  return { rssBytes: usage.rssBytes, cpu: lifetimeCpu(usage, upMs) }
}

export function lifetimeCpu({ cpuMs }: ProcessUsage, upMs: number | undefined): number | undefined {
  return upMs === undefined || upMs < 1_000 ? undefined : cpuMs / upMs
}
