import { isJsonObject, type Json } from '../../json.ts'
import type { HealthState } from '../report.ts'

/** How an agent stands, for whoever watches it. */
export interface Standing {
  readonly state: 'up' | 'down' | 'stopped'
  /** Why, in words. */
  readonly cause: string
  /** How it finds itself; null where it has not said. */
  readonly health: HealthState | null
}

/**
 * What is written. A watch is one supervisor's life: times in it are monotonic ms since its begin, so that the wall clock may
 * be set as it likes. `at` is wall-clock ms.
 */
export type Entry =
  /** Somebody begins to watch; the watch before lasted at least so long. */
  | { readonly t: 'watch'; readonly at: number; readonly lasted: number }
  /** From then on it stands so. It may be earlier than what was written before: a hang began with its last beat. */
  | ({ readonly t: 'state'; readonly ms: number; readonly failure: boolean } & Standing)
  /**
   * Between `from` and `ms` nobody looked: the supervisor itself stood still. `slept` ms besides passed on the wall clock
   * alone: the machine was asleep.
   */
  | { readonly t: 'blind'; readonly from: number; readonly ms: number; readonly slept: number }
  /** It was watched until here. */
  | { readonly t: 'end'; readonly ms: number }
  /** A person has been told of this; null once all is well again. */
  | { readonly t: 'told'; readonly ms: number; readonly alarm: Alarm | null }

/** Once a minute, and without figures as the mark; it also says that it was watched until here. */
export interface SampleEntry {
  readonly t: 'sample'
  /** Of which watch, by its `at`. */
  readonly watch: number
  readonly ms: number
  readonly at: number
  readonly rss: number
  readonly loop: number
  readonly inbox: number
  /** Since the sample before. */
  readonly turns: number
}

export type Alarm = 'unhealthy' | 'safe_mode'

export function formatEntry(entry: Entry | SampleEntry): string {
  return `${JSON.stringify(entry)}\n`
}

/** What can be understood of the lines; one that was cut off, or is of a newer version, is passed over. */
export function parseEntries(text: string): Entry[] {
  return linesOf(text).flatMap((value) => entryOf(value) ?? [])
}

export function parseSamples(text: string): SampleEntry[] {
  return linesOf(text).flatMap((value) => sampleOf(value) ?? [])
}

type Fields = Readonly<Record<string, Json>>

function linesOf(text: string): Fields[] {
  return text.split('\n').flatMap((line) => {
    if (line === '') return []
    try {
      const value = JSON.parse(line) as Json
      return isJsonObject(value) ? [value] : []
    } catch {
      return []
    }
  })
}

function entryOf(value: Fields): Entry | undefined {
  const { t, at, lasted, ms, from, slept, state, cause, health, failure, alarm } = value
  if (t === 'watch') return isTime(at) && isTime(lasted) ? { t, at, lasted } : undefined
  if (!isTime(ms)) return undefined
  if (t === 'end') return { t, ms }
  if (t === 'told') {
    return { t, ms, alarm: alarm === 'unhealthy' || alarm === 'safe_mode' ? alarm : null }
  }
  if (t === 'blind') {
    return isTime(from) && isTime(slept) && from <= ms ? { t, from, ms, slept } : undefined
  }
  if (t !== 'state' || (state !== 'up' && state !== 'down' && state !== 'stopped')) return undefined
  return {
    t,
    ms,
    state,
    cause: typeof cause === 'string' ? cause : '',
    health: health === 'healthy' || health === 'degraded' || health === 'unhealthy' ? health : null,
    failure: failure === true,
  }
}

function sampleOf({ t, watch, ms, at, rss, loop, inbox, turns }: Fields): SampleEntry | undefined {
  if (t !== 'sample' || !isTime(watch) || !isTime(ms) || !isTime(at)) return undefined
  return { t, watch, ms, at, rss: count(rss), loop: count(loop), inbox: count(inbox), turns: count(turns) }
}

function isTime(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function count(value: Json | undefined): number {
  return isTime(value) ? value : 0
}
