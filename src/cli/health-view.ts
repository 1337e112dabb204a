import { availabilityOf, type Availability } from '../health/history/availability.ts'
import { parseEntries, parseSamples, type SampleEntry } from '../health/history/entries.ts'
import { lastOf, timelineOf, type Span } from '../health/history/timeline.ts'
import { createAppendFile } from '../platform/node/append-file.ts'
import { createMarkFile } from '../platform/node/mark-file.ts'
import { historyFiles } from './history-files.ts'

/** What the history of an agent says about the last `sinceMs`. */
export interface HistoryView {
  readonly spans: readonly Span[]
  readonly availability: Availability
  readonly series: Series
}

/** Figures over the time that is looked at, in buckets of the same length, oldest first; null where there is none. */
export interface Series {
  /** Wall-clock ms. */
  readonly from: number
  readonly bucketMs: number
  readonly rssBytes: readonly (number | null)[]
  readonly loopDelayMs: readonly (number | null)[]
  readonly inbox: readonly (number | null)[]
  readonly turns: readonly (number | null)[]
}

const bucketsMax = 48

/** `folder` is the agent's; `watched`: somebody keeps it running now. */
export function readHistory(
  folder: string,
  options: { readonly now: number; readonly sinceMs: number; readonly watched: boolean },
): HistoryView {
  const { now, sinceMs } = options
  const files = historyFiles(folder)
  const entries = parseEntries(createAppendFile(files.transitions).read())
  const samples = parseSamples(createAppendFile(files.samples).read() + createMarkFile(files.mark).read())
  const spans = lastOf(timelineOf(entries, samples, options), sinceMs)
  return { spans, availability: availabilityOf(spans), series: seriesOf(samples, now - sinceMs, sinceMs) }
}

/** Of each bucket the largest value; of turns the sum. */
function seriesOf(samples: readonly SampleEntry[], from: number, sinceMs: number): Series {
  // A bucket holds a minute at least, since that is how often there is one.
  const count = Math.max(1, Math.min(bucketsMax, Math.floor(sinceMs / 60_000)))
  const bucketMs = sinceMs / count
  const buckets: SampleEntry[][] = Array.from({ length: count }, () => [])
  for (const sample of samples) {
    // A sample is of the time before it. One without figures says only that somebody watched.
    if (sample.rss > 0) buckets[Math.ceil((sample.at - from) / bucketMs) - 1]?.push(sample)
  }
  const take = (pick: (bucket: SampleEntry[]) => number): (number | null)[] =>
    buckets.map((bucket) => (bucket.length === 0 ? null : pick(bucket)))
  const most = (of: (sample: SampleEntry) => number) => (bucket: SampleEntry[]) => Math.max(...bucket.map(of))
  return {
    from,
    bucketMs,
    rssBytes: take(most(({ rss }) => rss)),
    loopDelayMs: take(most(({ loop }) => loop)),
    inbox: take(most(({ inbox }) => inbox)),
    turns: take((bucket) => bucket.reduce((sum, { turns }) => sum + turns, 0)),
  }
}

const blocks = '▁▂▃▄▅▆▇█'

/** From the least to the most; a flat line where all are alike, a space where nothing is known. */
export function sparkline(values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null)
  const [least, most] = [Math.min(...known), Math.max(...known)]
  return values
    .map((value) => {
      if (value === null) return ' '
      const part = most === least ? 0 : (value - least) / (most - least)
      return blocks[Math.min(blocks.length - 1, Math.floor(part * blocks.length))] ?? ' '
    })
    .join('')
}

/** In per cent, never rounded up to what it is not: who was down for a second in a year was not there all the time. */
export function percentOf(ratio: number): number {
  return Math.floor(ratio * 100_000) / 1_000
}
