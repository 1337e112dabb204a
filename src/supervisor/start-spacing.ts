import type { Clock } from '../platform/clock.ts'

/**
 * Keeps starts apart: fifty agents that start in the same moment fight for the processor, and each takes as long as all
 * of them. A start that comes alone is never kept waiting.
 */
export class StartSpacing {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #gapMs: number
  #nextMs = -Infinity
  #lastMs = -Infinity

  constructor(clock: Pick<Clock, 'monotonicMs'>, gapMs: number) {
    this.#clock = clock
    this.#gapMs = gapMs
  }

  /** Takes the next place for a start that is due now; returns in how many ms it is to be. */
  reserve(): number {
    const nowMs = this.#clock.monotonicMs()
    const atMs = Math.max(nowMs, this.#nextMs)
    this.#nextMs = atMs + this.#gapMs
    return atMs - nowMs
  }

  /**
   * Whether a start whose place has come may be made, which then counts as made. After a sleep of the supervisor many
   * places have come at once: only the first of them is good.
   */
  take(): boolean {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#lastMs < this.#gapMs / 2) return false
    this.#lastMs = nowMs
    return true
  }
}
