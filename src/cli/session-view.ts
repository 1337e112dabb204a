import { formatDuration } from '../duration.ts'
import { PerduraError } from '../errors.ts'
import { isJsonObject } from '../json.ts'
import type { AgentPaths } from '../runtime/home.ts'
import type { LiveSession } from '../runtime/live-session.ts'
import { storedSessions, type StoredSession } from '../runtime/session-queries.ts'
import type { Reader } from '../store/store.ts'
import type { Call } from './call.ts'
import { askAgent } from './control-client.ts'
import type { ProcessView } from './look.ts'

/** How an agent stands at its hub, from its database and, where it runs and answers, from its process. */
export interface SessionView extends StoredSession, Omit<LiveSession, 'state' | 'reason' | 'since'> {
  /**
   * As its process says. Without a process `offline`, whatever the last one noted, and `ended` where the hub would not
   * have that one any more.
   */
  readonly state: string
}

/** Undefined where the agent has been at no hub, or runs without one. */
export function viewSession(
  reader: Reader,
  process: ProcessView,
  live?: LiveSession,
): SessionView | undefined {
  const sessions = storedSessions(reader)
  const running = process.state === 'running'
  const at = process.record?.hub
  const stored = running ? sessions.find(({ hub }) => hub === at) : sessions[0]
  if (stored === undefined) return undefined
  if (!running) {
    const ended = stored.state === 'stopped' && !cleanStops.has(stored.reason)
    return ended
      ? { ...stored, ...unknown, state: 'ended' }
      : {
          ...stored,
          ...unknown,
          state: 'offline',
          reason: `no process runs; the last one noted: ${noted(stored)}`,
        }
  }
  // What was noted last may be of the process before: a new one that has not got through yet has noted nothing.
  return { ...stored, ...unknown, ...live }
}

/** What only a process knows that answers. */
const unknown = { attempts: 0, nextTryMs: null, roundTripMs: null, clockSkewMs: null, heardAgoMs: null }

/** What a session says that was stopped with its agent; any other reason is the hub's. */
const cleanStops = new Set(['the agent stops', 'handed over'])

function noted({ state, reason }: StoredSession): string {
  return state === 'stopped' ? reason : `${state}, ${reason}`
}

/** What the process says of its session; undefined where it has none, or does not answer in time. */
export async function askSession(
  call: Call,
  paths: AgentPaths,
  timeoutMs: number,
): Promise<{ readonly answers: boolean; readonly live: LiveSession | undefined }> {
  try {
    const { session } = await askAgent(call, paths, { method: 'GET', path: '/v1/process' }, timeoutMs)
    return { answers: true, live: liveSession(session ?? null) }
  } catch (error) {
    if (error instanceof PerduraError) return { answers: false, live: undefined }
    throw error
  }
}

/** The `session` of `GET /v1/process`; undefined where there is none. */
export function liveSession(value: unknown): LiveSession | undefined {
  if (!isJsonObject(value)) return undefined
  const { state, reason, since, attempts } = value
  if (typeof state !== 'string' || typeof reason !== 'string' || typeof since !== 'number') return undefined
  return {
    state,
    reason,
    since,
    attempts: typeof attempts === 'number' ? attempts : 0,
    nextTryMs: numberOrNull(value['next_try_ms']),
    roundTripMs: numberOrNull(value['round_trip_ms']),
    clockSkewMs: numberOrNull(value['clock_skew_ms']),
    heardAgoMs: numberOrNull(value['heard_ago_ms']),
  }
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' ? value : null
}

/** What the pings have measured, for a person; undefined where nothing has been. */
export function describeMeasured({
  roundTripMs,
  clockSkewMs,
}: Pick<LiveSession, 'roundTripMs' | 'clockSkewMs'>): string | undefined {
  if (roundTripMs === null) return undefined
  const trip = `${roundTripMs < 10 ? roundTripMs.toFixed(1) : Math.round(roundTripMs)}ms there and back`
  if (clockSkewMs === null) return trip
  const off = formatDuration(Math.abs(clockSkewMs))
  // Half a round trip is as well as it can be known.
  const isExact = Math.abs(clockSkewMs) <= Math.max(roundTripMs, 5)
  return `${trip}, the hub's clock ${isExact ? 'agrees' : `is ${off} ${clockSkewMs > 0 ? 'ahead' : 'behind'}`}`
}

/** When the next attempt is made; undefined where that is no question. */
export function describeNextTry({ state, nextTryMs, attempts }: SessionView): string | undefined {
  if (nextTryMs !== null) return `in ${formatDuration(nextTryMs)}, after ${attempts} in a row`
  return state === 'suspended' ? 'none, until somebody asks' : undefined
}
