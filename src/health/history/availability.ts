import type { Span } from './timeline.ts'

/** A time in which an agent that was wanted was not there. */
export interface Outage {
  /** Wall-clock ms. */
  readonly at: number
  readonly durationMs: number
  /** What it was, in words; several where one led to the other. */
  readonly causes: readonly string[]
  /** It goes on. */
  readonly ongoing: boolean
}

export interface Availability {
  readonly upMs: number
  readonly downMs: number
  /** Stopped on purpose. */
  readonly stoppedMs: number
  readonly unwatchedMs: number
  /** Of the time that it was up or down, the part that it was up; undefined where there is none of either. */
  readonly ratio: number | undefined
  /** Oldest first. */
  readonly outages: readonly Outage[]
}

/**
 * How much of the time an agent was there when it was wanted: up / (up + down). What nobody watched counts for neither, nor
 * what somebody stopped. The four times add up to that of the spans.
 */
export function availabilityOf(spans: readonly Span[]): Availability {
  const sum = (state: Span['state']): number =>
    spans.reduce((total, span) => total + (span.state === state ? span.durationMs : 0), 0)
  const [upMs, downMs] = [sum('up'), sum('down')]
  return {
    upMs,
    downMs,
    stoppedMs: sum('stopped'),
    unwatchedMs: sum('unwatched'),
    ratio: upMs + downMs > 0 ? upMs / (upMs + downMs) : undefined,
    outages: outagesOf(spans),
  }
}

function outagesOf(spans: readonly Span[]): Outage[] {
  const outages: { at: number; durationMs: number; causes: string[]; ongoing: boolean }[] = []
  let before: Span | undefined
  for (const [index, span] of spans.entries()) {
    if (span.state === 'down') {
      const last = outages.at(-1)
      if (before?.state === 'down' && last !== undefined) {
        last.durationMs += span.durationMs
        if (!last.causes.includes(span.cause)) last.causes.push(span.cause)
      } else {
        outages.push({ at: span.at, durationMs: span.durationMs, causes: [span.cause], ongoing: false })
      }
      const current = outages.at(-1)
      if (current !== undefined) current.ongoing = index === spans.length - 1
    }
    before = span
  }
  return outages
}
