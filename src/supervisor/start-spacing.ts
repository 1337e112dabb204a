import type { Clock } from '../platform/clock.ts'

/**
 * Keeps starts apart: fifty agents that start in the same moment fight for the processor, and each takes as long as all
 * of them. A start that comes alone is never kept waiting.
 */
export class StartSpacing {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #gapMs: number
  #nextMs = 0

  constructor(clock: Pick<Clock, 'monotonicMs'>, gapMs: number) {
    this.#clock = clock
    this.#gapMs = gapMs
  }

  /** Takes the next place for a start that is due in `wantedMs`; returns in how many ms it is to be. */
  reserve(wantedMs: number): number {
    const nowMs = this.#clock.monotonicMs()
    // A start that is far off takes no place from those that come before it.
    if (wantedMs > this.#gapMs) return wantedMs
    const atMs = Math.max(nowMs + wantedMs, this.#nextMs)
    this.#nextMs = atMs + this.#gapMs
    return atMs - nowMs
  }
}
