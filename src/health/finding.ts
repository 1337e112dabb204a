import type { HealthState } from './report.ts'

/** What one check found. */
export interface Finding {
  readonly check: CheckName
  readonly state: HealthState
  readonly value: number
  /** The one that was passed; of a healthy finding the one that comes first. Undefined where there is nothing to set. */
  readonly threshold: number | undefined
  /** What was found and, where it is not healthy, what to do. */
  readonly text: string
}

/** In the order in which they are shown. */
export const checkNames = [
  'safe_mode',
  'connection',
  'heartbeat',
  'round_trip',
  'token',
  'clock_skew',
  'error_rate',
  'delivery_rate',
  'inbox',
  'inbox_age',
  'outbox',
  'outbox_age',
  'progress',
  'loop_delay',
  'memory',
  'memory_trend',
  'cpu',
  'disk',
  'open_files',
  'restarts',
  'database',
  'commit_time',
  'connections',
  'admission',
  'waiting',
  'waiting_age',
] as const
export type CheckName = (typeof checkNames)[number]

export interface Words {
  readonly shows: (value: number) => string
  readonly advice: string
}

/** The more, the worse. */
export const rising = grading((value, threshold) => value >= threshold)

/** The less, the worse. */
export const falling = grading((value, threshold) => value < threshold)

function grading(isBeyond: (value: number, threshold: number) => boolean) {
  return (
    check: CheckName,
    value: number | undefined,
    [degraded, unhealthy]: readonly [number, number],
    words: Words,
  ): Finding | undefined => {
    if (value === undefined) return undefined
    const state = isBeyond(value, unhealthy)
      ? 'unhealthy'
      : isBeyond(value, degraded)
        ? 'degraded'
        : 'healthy'
    return finding(check, state, value, state === 'unhealthy' ? unhealthy : degraded, words)
  }
}

export function finding(
  check: CheckName,
  state: HealthState,
  value: number,
  threshold: number | undefined,
  { shows, advice }: Words,
): Finding {
  const text = state === 'healthy' ? shows(value) : `${shows(value)}: ${advice}`
  return { check, state, value, threshold, text: text.trimEnd() }
}

export function percent(part: number): string {
  return `${Math.round(part * 100)} %`
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`
}
