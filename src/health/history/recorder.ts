import type { AppendFile } from '../../platform/append-file.ts'
import type { Clock } from '../../platform/clock.ts'
import type { MarkFile } from '../../platform/mark-file.ts'
import {
  formatEntry,
  parseEntries,
  parseSamples,
  type Alarm,
  type Entry,
  type SampleEntry,
  type Standing,
} from './entries.ts'

export interface HistoryRecorderOptions {
  readonly clock: Pick<Clock, 'now' | 'monotonicMs'>
  /** What has changed: months of it. */
  readonly transitions: AppendFile
  /** A line a minute: days of it. */
  readonly samples: AppendFile
  /** Until when it was watched, written over every few seconds: a sample without figures. */
  readonly mark: MarkFile
}

/** What a sample says besides when. */
export type SampleFigures = Omit<SampleEntry, 't' | 'watch' | 'ms' | 'at'>

/** Size at which each of the files is set aside; with the one before, twice that is kept. */
const fileBytesMax = 524_288
const sampleEveryMs = 60_000
/** What a watch that is killed may have seen in vain. */
const markEveryMs = 5_000
/** Who was away for longer than this did not watch. */
const blindMs = 10_000
/** Transitions that could not be written: beyond it the history begins anew, which shows as time that nobody watched. */
const waitingMax = 500

/**
 * Writes the history of one agent, for as long as this supervisor watches it. Nothing that goes wrong with the files is ever
 * the agent's problem: what cannot be written waits, and is tried again with each tick.
 */
export class HistoryRecorder {
  readonly #options: HistoryRecorderOptions
  #beganMs = 0
  #at = 0
  #tickMs = 0
  /** How far the wall clock is ahead of the monotonic one. */
  #offsetMs = 0
  #sampledMs = 0
  #markedMs = 0
  #standing: (Standing & { readonly ms: number }) | undefined
  #told: Alarm | undefined
  #before: Standing['state'] | undefined
  #waiting: Entry[] = []

  constructor(options: HistoryRecorderOptions) {
    this.#options = options
    this.#begin()
  }

  /** Of what a person was told last; undefined where all was well. */
  get told(): Alarm | undefined {
    return this.#told
  }

  /** How it stood last for the watch before; undefined where there was none, or it cannot be read. */
  get before(): Standing['state'] | undefined {
    return this.#before
  }

  get standing(): Standing | undefined {
    return this.#standing
  }

  /**
   * It stands so now, or has since `sinceMs` (monotonic): never before what it was last. `failure`: its process has ended
   * unexpectedly.
   */
  stand(standing: Standing, { sinceMs = Infinity, failure = false } = {}): void {
    const last = this.#standing
    // While it is up its reasons change with every figure in them.
    const isSame =
      last?.state === standing.state &&
      last.health === standing.health &&
      (standing.state !== 'down' || last.cause === standing.cause)
    if (isSame && !failure) return
    const ms = Math.max(last?.ms ?? 0, Math.min(this.#ms(), Math.round(sinceMs - this.#beganMs)))
    this.#standing = { ...standing, ms }
    this.#write({ t: 'state', ms, ...standing, failure })
  }

  tell(alarm: Alarm | undefined): void {
    this.#told = alarm
    this.#write({ t: 'told', ms: this.#ms(), alarm: alarm ?? null })
  }

  /** To be called every second or so; takes a sample when one is due. */
  tick(figures: () => SampleFigures | undefined): void {
    const ms = this.#ms()
    const offsetMs = this.#options.clock.now() - this.#options.clock.monotonicMs()
    const slept = Math.max(0, offsetMs - this.#offsetMs)
    // A clock that is corrected by little is no sleep, and one that is set back is none either.
    if (slept >= blindMs || ms - this.#tickMs >= blindMs) {
      const wasAway = ms - this.#tickMs >= blindMs
      const from = wasAway ? this.#tickMs : ms
      this.#write({ t: 'blind', from, ms, slept: slept >= blindMs ? Math.round(slept) : 0 })
    }
    this.#offsetMs = offsetMs
    this.#tickMs = ms
    if (this.#waiting.length > 0) this.#flush()
    if (ms - this.#markedMs >= markEveryMs) this.#mark(ms)
    if (ms - this.#sampledMs < sampleEveryMs) return
    this.#sampledMs = ms
    this.#sample(ms, figures())
  }

  /** The last word of this watch. */
  close(): void {
    this.#write({ t: 'end', ms: this.#ms() })
  }

  #beginAnew(): void {
    const standing = this.#standing
    this.#standing = undefined
    this.#begin()
    if (standing !== undefined) this.stand({ ...standing })
  }

  #ms(): number {
    return Math.round(this.#options.clock.monotonicMs() - this.#beganMs)
  }

  #begin(): void {
    const { clock } = this.#options
    this.#beganMs = clock.monotonicMs()
    this.#at = Math.round(clock.now())
    this.#offsetMs = clock.now() - clock.monotonicMs()
    this.#tickMs = 0
    this.#sampledMs = 0
    this.#markedMs = 0
    this.#waiting = []
    this.#write({ t: 'watch', at: this.#at, lasted: this.#lastWatch() })
  }

  /** How long the watch before lasted, by the last that was written of it. */
  #lastWatch(): number {
    try {
      const entries = parseEntries(this.#options.transitions.read())
      const told = entries.findLast((entry) => entry.t === 'told')
      this.#told = told?.alarm ?? undefined
      this.#before = entries.findLast((entry) => entry.t === 'state')?.state
      const index = entries.findLastIndex((entry) => entry.t === 'watch')
      const watch = entries[index]
      if (watch?.t !== 'watch') return 0
      const after = entries.slice(index).map((entry) => ('ms' in entry ? entry.ms : 0))
      const seen = parseSamples(this.#options.mark.read() + this.#options.samples.read())
      const samples = seen.filter((one) => one.watch === watch.at).map(({ ms }) => ms)
      return [...after, ...samples].reduce((most, ms) => Math.max(most, ms), 0)
    } catch {
      // It cannot be read: what was before shows as not watched from its last transition on.
      return 0
    }
  }

  #sample(ms: number, figures: SampleFigures | undefined): void {
    const { samples } = this.#options
    try {
      if (samples.sizeBytes > fileBytesMax) samples.rotate()
      samples.append(this.#formatSample(ms, figures))
    } catch {
      // The next one has its place.
    }
  }

  #mark(ms: number): void {
    this.#markedMs = ms
    try {
      this.#options.mark.write(this.#formatSample(ms, undefined))
    } catch {
      // The next one has its place.
    }
  }

  #formatSample(ms: number, figures: SampleFigures | undefined): string {
    const none = { rss: 0, loop: 0, inbox: 0, turns: 0 }
    const at = Math.round(this.#options.clock.now())
    return formatEntry({ t: 'sample', watch: this.#at, ms, at, ...(figures ?? none) })
  }

  #write(entry: Entry): void {
    this.#waiting.push(entry)
    if (this.#waiting.length > waitingMax) this.#beginAnew()
    else this.#flush()
  }

  #flush(): void {
    const { transitions } = this.#options
    try {
      if (transitions.sizeBytes > fileBytesMax) this.#rotate()
      transitions.append(this.#waiting.map(formatEntry).join(''), { sync: true })
      this.#waiting = []
    } catch {
      // A full disk, mostly. The order is kept, and the next tick tries again.
    }
  }

  /** The new file says by itself what there is: the older one goes some day. */
  #rotate(): void {
    const { transitions, clock } = this.#options
    const lasted = this.#ms()
    transitions.rotate()
    // Nothing of this watch is in the older one: a second beginning would make two watches of it.
    if (this.#waiting[0]?.t === 'watch') return
    const standing = this.#standing
    const shift = lasted
    this.#beganMs += shift
    this.#at = Math.round(clock.now())
    this.#tickMs = Math.max(0, this.#tickMs - shift)
    this.#sampledMs = 0
    this.#markedMs = 0
    const head: Entry[] = [{ t: 'watch', at: this.#at, lasted }]
    if (standing !== undefined) {
      this.#standing = { ...standing, ms: 0 }
      const { state, cause, health } = standing
      head.push({ t: 'state', ms: 0, state, cause, health, failure: false })
    }
    if (this.#told !== undefined) head.push({ t: 'told', ms: 0, alarm: this.#told })
    this.#waiting = [...head, ...this.#waiting.map((entry) => shifted(entry, shift))]
  }
}

function shifted(entry: Entry, shiftMs: number): Entry {
  const less = (ms: number): number => Math.max(0, ms - shiftMs)
  if (entry.t === 'watch') return entry
  return entry.t === 'blind'
    ? { ...entry, from: less(entry.from), ms: less(entry.ms) }
    : { ...entry, ms: less(entry.ms) }
}
