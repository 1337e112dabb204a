import type { JsonObject } from '../json.ts'
import type { SessionView } from '../session/session.ts'

/** How the session of a running agent stands now; its database has only what lasts. */
export interface LiveSession {
  readonly state: string
  readonly reason: string
  /** Wall-clock ms: since when it is online, or is not. */
  readonly since: number
  /** In a row, since a connection lasted or somebody asked. */
  readonly attempts: number
  /** Until the next attempt, ms; null where none is planned. */
  readonly nextTryMs: number | null
  /** From here to the hub and back, ms, as the last ping has measured it; null before. */
  readonly roundTripMs: number | null
  /** By how much the hub's clock is ahead of this one, ms; to look at. */
  readonly clockSkewMs: number | null
  /** Since something came from the hub, ms; null without a connection. */
  readonly heardAgoMs: number | null
}

export function liveSessionOf(view: SessionView): LiveSession {
  const { state, reason, sinceMs: since, attempts, nextTryMs, measured } = view
  return {
    state,
    reason,
    since,
    attempts,
    nextTryMs: rounded(nextTryMs),
    roundTripMs: measured?.roundTripMs === undefined ? null : Math.round(measured.roundTripMs * 100) / 100,
    clockSkewMs: rounded(measured?.clockSkewMs),
    heardAgoMs: rounded(measured?.heardAgoMs),
  }
}

function rounded(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms)
}

/** As the control socket has it. */
export function liveSessionJson(live: LiveSession | undefined): JsonObject | null {
  if (live === undefined) return null
  const { state, reason, since, attempts, nextTryMs, roundTripMs, clockSkewMs, heardAgoMs } = live
  return {
    state,
    reason,
    since,
    attempts,
    next_try_ms: nextTryMs,
    round_trip_ms: roundTripMs,
    clock_skew_ms: clockSkewMs,
    heard_ago_ms: heardAgoMs,
  }
}
