import type { JsonObject } from '../json.ts'
import type { ChildView } from '../supervisor/supervisor.ts'
import { agentOf } from './child-name.ts'
import { evidenceIn, failureIn } from './last-said.ts'

/** What the daemon has heard of a child, and what its supervisor does not remember. */
export interface ChildNotes {
  /** Wall-clock ms since when it is in its state. */
  since: number
  /** Why the last process ended before it was ready, as it said itself. */
  failure?: { readonly code: string; readonly message: string } | undefined
  /** The last that it said of how it does; undefined while it does not run. */
  beat?: JsonObject | undefined
  /** Of a hub: agents that are connected. */
  connected?: number
  /** What was seen of the last process that was killed for not answering. */
  evidence?: { readonly at: number; readonly reason: string; readonly text: string }
  /** When its code was changed, as of the start of its last process; undefined where an earlier daemon made that. */
  codeChanged?: number | undefined
  /** It was being started when somebody wanted it to read its settings again. */
  reloadDue?: boolean
}

/** A child as the control socket shows it; docs/reference/daemon.md describes each key. */
export function describeChild(view: ChildView, notes: ChildNotes): JsonObject {
  const { name, kind, wanted, state, process, past, policy, failuresInWindow, unsaved } = view
  const { period, level } = past.safeMode
  // A daemon before this one heard it, and kept it with the end.
  const waits = state.name === 'backing-off' || state.name === 'failed' || state.name === 'finished'
  const failure = notes.failure ?? (waits ? failureIn(past.ends.at(-1)) : undefined)
  return {
    child: name,
    kind,
    name: agentOf(name) ?? name,
    wanted,
    state: state.name,
    since: notes.since,
    pid: process?.pid ?? null,
    mode: process?.mode ?? null,
    started_at: process?.startedAt ?? null,
    restarts: past.restarts,
    ends_by_reason: { ...past.counts },
    last_ends: past.ends.map(({ livedMs, ...end }) => ({ ...end, lived_ms: livedMs })),
    failures_in_window: failuresInWindow,
    next_start_in_ms: 'delayMs' in state ? state.delayMs : null,
    crash_looping: past.crashLooping,
    safe_mode: period === null ? null : { level, since: period.since, until: period.until },
    failure: failure ?? null,
    evidence: notes.evidence ?? evidenceIn(past.ends) ?? null,
    connected: notes.connected ?? null,
    beat: notes.beat ?? null,
    policy: {
      restart: policy.restart,
      hang_ms: policy.hangMs,
      start_ms: policy.startMs,
      stop_ms: policy.stopMs,
      memory_max_bytes: policy.memoryMaxBytes ?? null,
      failures_max: policy.failuresMax,
    },
    launch: view.launch,
    unsaved: unsaved ?? null,
  }
}

/** How all of them are, in one line: `3 agents and the hub run; not Bo (backing-off)`. */
export function summarize(views: readonly Pick<ChildView, 'name' | 'kind' | 'wanted' | 'state'>[]): string {
  const isUp = ({ state }: Pick<ChildView, 'state'>): boolean =>
    state.name === 'running' || state.name === 'starting' || state.name === 'restarting'
  const up = views.filter(isUp)
  const agents = up.filter(({ kind }) => kind === 'agent').length
  const hub = up.length > agents ? ' and the hub' : ''
  const running = `${agents} ${agents === 1 ? 'agent' : 'agents'}${hub} ${agents === 1 && hub === '' ? 'runs' : 'run'}`
  const missing = views.filter((view) => view.wanted === 'running' && !isUp(view))
  const names = missing
    .slice(0, namesMax)
    .map(({ name, state }) => `${agentOf(name) ?? 'the hub'} (${state.name})`)
  const more = missing.length > namesMax ? ` and ${missing.length - namesMax} more` : ''
  return names.length === 0 ? running : `${running}; not ${names.join(', ')}${more}`
}

const namesMax = 5
