import type { Clock } from '../platform/clock.ts'
import type { ChildMode, EndReason, EndRecord } from './exits.ts'
import type { RestartIntensity } from './intensity.ts'
import type { SupervisorParts } from './parts.ts'
import type { ChildPolicy } from './policy.ts'
import type { SafeMode } from './safe-mode.ts'

/** Ends that are kept with their circumstances; of older ones only the counts are. */
export const endsMax = 20

/** What is known of a child's past, as plain data; all times are wall-clock ms. */
export interface PastFigures {
  /** Starts after the first one. */
  readonly restarts: number
  /** Ends so far, by reason. */
  readonly counts: Readonly<Partial<Record<EndReason, number>>>
  /** The last ends, oldest first. */
  readonly ends: readonly EndRecord[]
  /** Failures in a row with no stable time between them: what the delay grows with. */
  readonly failuresInARow: number
  /** Failures in a row with neither a stable time nor progress between them. */
  readonly setbacksInARow: number
  /** When it failed lately, oldest first. */
  readonly failedAt: readonly number[]
  readonly safeMode: {
    /** How many times in a row it was needed. */
    readonly level: number
    /** Since when and until when it is on; null while it is off. */
    readonly period: { readonly since: number; readonly until: number } | null
  }
  /** It fails too often and has no safe mode to go to. */
  readonly crashLooping: boolean
}

export const noPast: PastFigures = {
  restarts: 0,
  counts: {},
  ends: [],
  failuresInARow: 0,
  setbacksInARow: 0,
  failedAt: [],
  safeMode: { level: 0, period: null },
  crashLooping: false,
}

export type HistoryClock = Pick<Clock, 'now' | 'monotonicMs'>

/** The past of one child, which outlives its supervisor: how often it ended and why, and what that has led to. */
export class ChildHistory {
  readonly safeMode: SafeMode
  readonly #clock: HistoryClock
  readonly #parts: SupervisorParts
  readonly #intensity: RestartIntensity
  readonly #counts: Partial<Record<EndReason, number>>
  #restarts: number
  #ends: readonly EndRecord[]
  #failuresInARow: number
  #setbacksInARow: number
  #memoryInARow = 0
  #crashLooping: boolean

  constructor(clock: HistoryClock, parts: SupervisorParts, past: PastFigures = noPast) {
    this.#clock = clock
    this.#parts = parts
    // Wall-clock times of another supervisor, as times of this one's clock. What the wall clock has put into the future
    // is taken as now, and a safe mode never gets longer than it was to be.
    const now = clock.now()
    const nowMs = clock.monotonicMs()
    const monotonic = (at: number): number => nowMs - Math.max(0, now - at)
    this.#intensity = parts.createIntensity(past.failedAt.map(monotonic))
    const { level, period } = past.safeMode
    const sinceMs = period === null ? 0 : monotonic(period.since)
    this.safeMode = parts.createSafeMode(
      level,
      period === null ? undefined : { sinceMs, untilMs: sinceMs + Math.max(0, period.until - period.since) },
    )
    this.#counts = { ...past.counts }
    this.#restarts = past.restarts
    this.#ends = past.ends.slice(-endsMax)
    this.#failuresInARow = past.failuresInARow
    this.#setbacksInARow = past.setbacksInARow
    this.#crashLooping = past.crashLooping
  }

  /** Starts that followed an end without a stop between. */
  get restarts(): number {
    return this.#restarts
  }

  get ends(): readonly EndRecord[] {
    return this.#ends
  }

  get failuresInARow(): number {
    return this.#failuresInARow
  }

  get setbacksInARow(): number {
    return this.#setbacksInARow
  }

  get memoryInARow(): number {
    return this.#memoryInARow
  }

  get crashLooping(): boolean {
    return this.#crashLooping
  }

  failuresInWindow({ windowMs }: Pick<ChildPolicy, 'windowMs'>): number {
    return this.#intensity.count(this.#clock.monotonicMs(), windowMs)
  }

  restarted(): void {
    this.#restarts += 1
  }

  /** What fails too often goes on in safe mode, where it has one. */
  ended(end: EndRecord, hasSafeMode: boolean, policy: ChildPolicy): void {
    this.#ends = [...this.#ends, end].slice(-endsMax)
    this.#counts[end.reason] = (this.#counts[end.reason] ?? 0) + 1
    if (end.reason === 'memory') this.#memoryInARow += 1
    if (!this.#parts.isFailure(end.reason)) return
    this.#failuresInARow += 1
    // In safe mode there is nothing further to try; the delay grows, and its time runs on.
    if (end.mode === 'safe') return
    this.#setbacksInARow += 1
    const tooOften = this.#intensity.failed(this.#clock.monotonicMs(), policy)
    if (!tooOften && this.#setbacksInARow < policy.failuresMax) return
    this.#intensity.forget()
    this.#setbacksInARow = 0
    if (!hasSafeMode) {
      this.#crashLooping = true
      return
    }
    this.safeMode.enter(this.#clock.monotonicMs(), policy)
    // Without its mind it is another program: it need not wait for what that one did.
    this.#failuresInARow = 0
  }

  /** An end that happened while nobody watched: counted like one that was seen. */
  missed(
    reason: EndReason,
    { pid, mode }: { readonly pid: number | null; readonly mode: ChildMode },
    hasSafeMode: boolean,
    policy: ChildPolicy,
  ): void {
    const end = {
      at: this.#clock.now(),
      reason,
      code: null,
      signal: null,
      pid,
      livedMs: null,
      mode,
      said: null,
    }
    this.ended(end, hasSafeMode, policy)
  }

  /** It has done something that it was to do. Returns whether that changes anything. */
  progressed(): boolean {
    const before = this.#setbacksInARow
    this.#setbacksInARow = 0
    return this.#intensity.forget() || before > 0
  }

  /** It has run for `stableMs`. Returns whether that changes anything. */
  becameStable(): boolean {
    const before = this.#failuresInARow + this.#setbacksInARow + this.#memoryInARow
    const looping = this.#crashLooping
    this.#failuresInARow = 0
    this.#setbacksInARow = 0
    this.#memoryInARow = 0
    this.#crashLooping = false
    return before > 0 || looping
  }

  /** Somebody wants it tried again: whatever was wrong may be mended. The level of safe mode stays until it has shown so. */
  forgive(): void {
    this.becameStable()
    this.#intensity.forget()
    this.safeMode.leave()
  }

  get figures(): PastFigures {
    const now = this.#clock.now()
    const nowMs = this.#clock.monotonicMs()
    const wall = (ms: number): number => Math.round(now - (nowMs - ms))
    const { level, period } = this.safeMode
    return {
      restarts: this.#restarts,
      counts: { ...this.#counts },
      ends: this.#ends,
      failuresInARow: this.#failuresInARow,
      setbacksInARow: this.#setbacksInARow,
      failedAt: this.#intensity.failedMs.map(wall),
      safeMode: {
        level,
        period: period === undefined ? null : { since: wall(period.sinceMs), until: wall(period.untilMs) },
      },
      crashLooping: this.#crashLooping,
    }
  }
}
