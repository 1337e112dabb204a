import type { HealthState } from '../report.ts'
import type { Entry, SampleEntry, Standing } from './entries.ts'

/** A stretch of time in which an agent stood in one way. */
export interface Span {
  readonly state: Standing['state'] | 'unwatched'
  readonly cause: string
  readonly health: HealthState | null
  /** When it began, wall-clock ms, as the clock stood then. */
  readonly at: number
  readonly durationMs: number
}

export interface TimelineOptions {
  /** Wall-clock ms. */
  readonly now: number
  /** Whether somebody watches it now: then it stands as it was written last, until now. */
  readonly watched: boolean
}

/** A watch leaves its mark every five seconds; who has not for so long does not watch, whatever else is known. */
const markAgeMaxMs = 30_000

interface Watch {
  readonly at: number
  readonly entries: Entry[]
  lastMs: number
}

/**
 * What the entries amount to: spans without a hole or an overlap, oldest first, from the first watch until now. Between two
 * watches, and where a watch was blind, nobody watched. Nothing here goes by the order of wall-clock times: a clock that was
 * set back between two watches leaves no time between them.
 */
export function timelineOf(
  entries: readonly Entry[],
  samples: readonly SampleEntry[],
  { now, watched }: TimelineOptions,
): Span[] {
  const watches = watchesOf(entries, samples)
  const spans: Span[] = []
  let endAt: number | undefined
  for (const watch of watches) {
    if (endAt !== undefined) push(spans, unwatched(endAt, watch.at - endAt, 'nobody watched'))
    endAt = watch.at
    for (const span of spansOf(watch)) {
      push(spans, span)
      endAt = span.at + span.durationMs
    }
  }
  if (endAt === undefined) return spans
  const restMs = Math.max(0, now - endAt)
  const standing = statesOf(watches.at(-1)?.entries ?? []).at(-1)
  if (watched && standing !== undefined && restMs <= markAgeMaxMs) {
    const { state, cause, health } = standing
    push(spans, { state, cause, health, at: endAt, durationMs: restMs })
  } else push(spans, unwatched(endAt, restMs, 'nobody watches'))
  return spans
}

/** The last `sinceMs` of the time that the spans cover. */
export function lastOf(spans: readonly Span[], sinceMs: number): Span[] {
  const result: Span[] = []
  let leftMs = sinceMs
  for (const span of spans.toReversed()) {
    if (leftMs <= 0) break
    const durationMs = Math.min(span.durationMs, leftMs)
    result.unshift({ ...span, at: span.at + span.durationMs - durationMs, durationMs })
    leftMs -= durationMs
  }
  return result
}

function watchesOf(entries: readonly Entry[], samples: readonly SampleEntry[]): Watch[] {
  const watches: Watch[] = []
  for (const entry of entries) {
    const last = watches.at(-1)
    if (entry.t === 'watch') {
      if (last !== undefined) last.lastMs = Math.max(last.lastMs, entry.lasted)
      watches.push({ at: entry.at, entries: [], lastMs: 0 })
    } else if (last !== undefined) {
      last.entries.push(entry)
      last.lastMs = Math.max(last.lastMs, entry.ms)
    }
  }
  for (const watch of watches) {
    for (const sample of samples)
      if (sample.watch === watch.at) watch.lastMs = Math.max(watch.lastMs, sample.ms)
  }
  return watches
}

/** What one watch has seen, in its own time, with what it did not see. */
function spansOf({ at, entries, lastMs }: Watch): Span[] {
  const spans: Span[] = []
  const states = statesOf(entries)
  const blind = entries.filter((entry) => entry.t === 'blind').toSorted((a, b) => a.from - b.from)
  const borders = [
    0,
    ...states.map(({ ms }) => ms),
    ...blind.flatMap(({ from, ms }) => [from, ms]),
    lastMs,
  ].toSorted((a, b) => a - b)
  let sleptMs = 0
  let known = 0
  for (const [index, from] of borders.entries()) {
    for (const hole of blind.filter(({ ms }) => ms === from && index === borders.indexOf(from))) {
      push(spans, unwatched(at + from + sleptMs, hole.slept, 'the machine was asleep'))
      sleptMs += hole.slept
    }
    const to = borders[index + 1]
    if (to === undefined || to === from) continue
    const durationMs = to - from
    const begins = at + from + sleptMs
    while ((states[known]?.ms ?? Infinity) <= from) known += 1
    const standing = states[known - 1]
    if (blind.some((hole) => hole.from <= from && to <= hole.ms)) {
      push(spans, unwatched(begins, durationMs, 'the supervisor stood still'))
    } else if (standing === undefined) push(spans, unwatched(begins, durationMs, 'nothing was known yet'))
    else {
      const { state, cause, health } = standing
      push(spans, { state, cause, health, at: begins, durationMs })
    }
  }
  return spans
}

/** What was written later may be of an earlier moment; of two of the same moment the later one holds. */
function statesOf(entries: readonly Entry[]): Extract<Entry, { t: 'state' }>[] {
  return entries.filter((entry) => entry.t === 'state').toSorted((a, b) => a.ms - b.ms)
}

function unwatched(at: number, durationMs: number, cause: string): Span {
  return { state: 'unwatched', cause, health: null, at, durationMs }
}

/** Spans that say the same become one; one of no length says nothing. */
function push(spans: Span[], span: Span): void {
  if (span.durationMs <= 0) return
  const last = spans.at(-1)
  const isSame = last?.state === span.state && last.cause === span.cause && last.health === span.health
  const isNext = last !== undefined && last.at + last.durationMs === span.at
  if (isSame && isNext) spans[spans.length - 1] = { ...last, durationMs: last.durationMs + span.durationMs }
  else spans.push(span)
}
