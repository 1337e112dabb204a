import type { Standing } from '../../../../src/health/history/entries.ts'
import { HistoryRecorder } from '../../../../src/health/history/recorder.ts'
import type { SeededRandom } from '../../../../src/testing/index.ts'
import { MemoryAppendFile } from '../../../helpers/memory-append-file.ts'
import { MemoryMarkFile } from '../../../helpers/memory-mark-file.ts'

const startMs = Date.UTC(2026, 0, 1)
const figures = { rss: 1, loop: 1, inbox: 0, turns: 0 }

type Label = Standing['state'] | 'unwatched'

/**
 * A supervisor, its deaths, and a clock that is set, with what is true of it: a label for each second that passed. Knows
 * nothing of how the history is written.
 */
export class HistoryModel {
  readonly transitions = new MemoryAppendFile()
  readonly samples = new MemoryAppendFile()
  readonly mark = new MemoryMarkFile()
  /** What is over and watched, or known not to have been. */
  readonly truth: Label[] = []
  monotonicMs = 5_000
  wallMs = startMs
  #recorder: HistoryRecorder | undefined
  /** Of this watch: one a second, and behind which of them how many seconds of sleep. */
  #labels: Label[] = []
  #stalled = new Set<number>()
  #sleeps: { readonly after: number; readonly seconds: number }[] = []
  #standing: Label = 'unwatched'
  #cause = ''
  #changedAt = 0
  #markedAt = 0
  #sampledAt = 0
  #leftMarkAt = 0
  #tickedAt = 0
  #endWallMs: number | undefined

  get watches(): boolean {
    return this.#recorder !== undefined
  }

  begin(): void {
    const clock = { now: () => this.wallMs, monotonicMs: () => this.monotonicMs }
    this.#recorder = new HistoryRecorder({
      clock,
      transitions: this.transitions,
      samples: this.samples,
      mark: this.mark,
    })
    if (this.#endWallMs !== undefined) this.#unseen((this.wallMs - this.#endWallMs) / 1_000)
    this.#endWallMs = this.wallMs
    this.#labels = []
    this.#stalled = new Set()
    this.#sleeps = []
    this.#standing = 'unwatched'
    this.#changedAt = this.#markedAt = this.#sampledAt = this.#leftMarkAt = this.#tickedAt = 0
  }

  /** Seconds pass, in each of which the supervisor looks. */
  pass(seconds: number): void {
    for (let second = 0; second < seconds; second++) {
      this.#advance(1)
      this.#tick()
    }
  }

  /** Seconds pass in which it does nothing: it was suspended. Long enough to be noticed. */
  stall(seconds: number): void {
    this.#advance(seconds)
    for (let at = this.#tickedAt; at < this.#labels.length; at++) this.#stalled.add(at)
    this.#labels.fill('unwatched', this.#tickedAt)
    this.#markedAt = this.#labels.length
    this.#tick()
  }

  /** The wall clock goes on and nothing else: the machine sleeps, or somebody sets the clock forward. */
  sleep(seconds: number): void {
    this.wallMs += seconds * 1_000
    this.#sleeps.push({ after: this.#labels.length, seconds })
    this.#markedAt = this.#labels.length
    this.#tick()
  }

  setBack(seconds: number): void {
    this.wallMs -= seconds * 1_000
    this.#tick()
  }

  /** It stands so since a moment that is `agoSeconds` back, or since it last changed where that is later. */
  stand(state: Standing['state'], cause: string, agoSeconds: number): void {
    const now = this.#labels.length
    const from = Math.max(this.#changedAt, now - agoSeconds)
    const sinceMs = this.monotonicMs - agoSeconds * 1_000
    this.#recorder?.stand({ state, cause, health: null }, agoSeconds > 0 ? { sinceMs } : {})
    if (this.#standing === state && (state !== 'down' || this.#cause === cause)) return
    this.#cause = cause
    // What nobody saw stays unseen, also where it turns out later what it must have been.
    for (let at = from; at < now; at++) if (!this.#stalled.has(at)) this.#labels[at] = state
    this.#standing = state
    this.#changedAt = from
    this.#markedAt = Math.max(this.#markedAt, from)
  }

  /** `torn`: it was about to write, and got half-way. */
  kill(torn: boolean): void {
    if (torn) {
      this.transitions.append('{"t":"state","ms":9')
      this.samples.append('{"t":"sam')
    }
    this.#over(this.#markedAt)
  }

  close(): void {
    this.#recorder?.close()
    this.#over(this.#labels.length)
  }

  /** Nobody watches for a while; `jump` seconds are what the wall clock was set by meanwhile. */
  away(seconds: number, jump: number): void {
    this.monotonicMs += seconds * 1_000
    this.wallMs += (seconds + jump) * 1_000
  }

  /** Until now: what is not watched, nobody saw. */
  end(): void {
    if (this.#recorder !== undefined) this.close()
    if (this.#endWallMs !== undefined) this.#unseen((this.wallMs - this.#endWallMs) / 1_000)
  }

  act(random: SeededRandom): void {
    const upTo = (max: number): number => 1 + Math.floor(random.fraction() * max)
    if (!this.watches) {
      this.away(upTo(300), random.fraction() < 0.3 ? Math.floor((random.fraction() - 0.5) * 10_000) : 0)
      this.begin()
      return
    }
    const dice = random.fraction()
    if (dice < 0.4) this.pass(upTo(100))
    else if (dice < 0.75) {
      const state = (['up', 'down', 'stopped'] as const)[upTo(3) - 1] ?? 'up'
      this.stand(state, `cause ${upTo(2)}`, random.fraction() < 0.5 ? 0 : upTo(20))
    } else if (dice < 0.82) this.stall(10 + upTo(200))
    else if (dice < 0.88) this.sleep(10 + upTo(5_000))
    else if (dice < 0.92) this.setBack(upTo(5_000))
    else if (dice < 0.97) this.kill(random.fraction() < 0.5)
    else this.close()
  }

  #advance(seconds: number): void {
    this.monotonicMs += seconds * 1_000
    this.wallMs += seconds * 1_000
    for (let second = 0; second < seconds; second++) this.#labels.push(this.#standing)
  }

  #tick(): void {
    this.#recorder?.tick(() => figures)
    const now = this.#labels.length
    this.#tickedAt = now
    if (now - this.#leftMarkAt >= 5) this.#markedAt = this.#leftMarkAt = now
    if (now - this.#sampledAt >= 60) this.#markedAt = this.#sampledAt = now
  }

  #over(watchedTo: number): void {
    this.#recorder = undefined
    for (let at = 0; at <= watchedTo; at++) {
      for (const { after, seconds } of this.#sleeps) if (after === at) this.#unseen(seconds)
      const label = this.#labels[at]
      if (at < watchedTo && label !== undefined) this.truth.push(label)
    }
    const slept = this.#sleeps.reduce(
      (sum, { after, seconds }) => sum + (after <= watchedTo ? seconds : 0),
      0,
    )
    this.#endWallMs = (this.#endWallMs ?? 0) + (watchedTo + slept) * 1_000
  }

  #unseen(seconds: number): void {
    for (let second = 0; second < seconds; second++) this.truth.push('unwatched')
  }
}
