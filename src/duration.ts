import { PerduraError } from './errors.ts'

const unitsMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/**
 * Longest time that a process which is to end is given for what it does, ms. Whoever announces its end announces no more, and
 * whoever keeps it running believes no more.
 */
export const drainMsMax = unitsMs.h

/** Milliseconds in a duration written `500ms`, `30s`, `5m`, `24h` or `7d`; a number is taken as milliseconds. */
export function parseDuration(text: string | number): number {
  if (typeof text === 'number') {
    if (Number.isFinite(text) && text >= 0) return Math.round(text)
  } else {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim())
    if (match !== null) return Math.round(Number(match[1]) * unitsMs[match[2] as keyof typeof unitsMs])
  }
  throw new PerduraError('ERR_DURATION', `"${text}" is not a duration: write 500ms, 30s, 5m, 24h or 7d`)
}

/** The two largest units of a span of milliseconds: `3h 12m`, `4.2s`, `12ms`. */
export function formatDuration(ms: number): string {
  // Not 1000ms, nor 60.0s: what rounds up to the next unit is written in it.
  if (ms < 999.5) return `${Math.round(ms)}ms`
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)}s`
  const parts: string[] = []
  let rest = Math.round(ms / 1_000) * 1_000
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const count = Math.floor(rest / unitsMs[unit])
    rest -= count * unitsMs[unit]
    if (count > 0) parts.push(`${count}${unit}`)
  }
  return parts.slice(0, 2).join(' ')
}
