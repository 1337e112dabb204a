/** How many backups are kept: the last ones, and of as many hours, days, weeks and months the newest of each. */
export interface RotationPolicy {
  readonly last: number
  readonly hourly: number
  readonly daily: number
  readonly weekly: number
  readonly monthly: number
}

export const defaultRotation: RotationPolicy = { last: 4, hourly: 24, daily: 7, weekly: 4, monthly: 12 }

export interface Kept {
  readonly name: string
  /** Wall-clock ms. */
  readonly createdAt: number
  /** It was restored and found to be what it should be. */
  readonly proven: boolean
}

/** Why one is kept; nothing for one that may go. */
export type KeptFor = 'last' | 'hour' | 'day' | 'week' | 'month' | 'newest proven'

/**
 * What is kept of which backup, and why, newest first; an empty list means that it may go. Hours, days, weeks (from Monday)
 * and months are those of UTC, so that neither a move nor a summer changes the set, and only those that have a backup count. Where
 * one of several stands for a period, it is the newest that is proven, or the newest where none is. The newest one that is
 * proven always stays, and so does the newest.
 */
export function rotate(
  backups: readonly Kept[],
  policy: RotationPolicy,
): readonly { readonly name: string; readonly keptFor: readonly KeptFor[] }[] {
  const newestFirst = backups.toSorted((a, b) => b.createdAt - a.createdAt || (a.name < b.name ? 1 : -1))
  const reasons = new Map<string, KeptFor[]>(newestFirst.map(({ name }) => [name, []]))
  const keep = (backup: Kept | undefined, reason: KeptFor): void => {
    if (backup !== undefined) reasons.get(backup.name)?.push(reason)
  }
  for (const backup of newestFirst.slice(0, Math.max(1, policy.last))) keep(backup, 'last')
  for (const [reason, count, periodOf] of [
    ['hour', policy.hourly, hourOf],
    ['day', policy.daily, dayOf],
    ['week', policy.weekly, weekOf],
    ['month', policy.monthly, monthOf],
  ] as const) {
    const periods = Map.groupBy(newestFirst, ({ createdAt }) => periodOf(createdAt))
    for (const [, [first, ...others]] of [...periods].slice(0, count)) {
      keep([first, ...others].find((backup) => backup?.proven) ?? first, reason)
    }
  }
  keep(
    newestFirst.find(({ proven }) => proven),
    'newest proven',
  )
  return newestFirst.map(({ name }) => ({ name, keptFor: reasons.get(name) ?? [] }))
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs

const hourOf = (ms: number): number => Math.floor(ms / hourMs)
const dayOf = (ms: number): number => Math.floor(ms / dayMs)
/** 1 January 1970 was a Thursday. */
const weekOf = (ms: number): number => Math.floor((dayOf(ms) + 3) / 7)
const monthOf = (ms: number): number => {
  const date = new Date(ms)
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}
