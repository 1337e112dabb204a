import type { Clock } from '../../platform/clock.ts'

/** A token bucket: bursts of 200 frames, and 100 a second in the long run. A frame that finds it empty is one too many. */
const burst = 200
const perSecond = 100

export class FrameRate {
  readonly #clock: Clock
  #left = burst
  #filledMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#filledMs = clock.monotonicMs()
  }

  take(): boolean {
    const nowMs = this.#clock.monotonicMs()
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#filledMs) / 1_000) * perSecond)
    this.#filledMs = nowMs
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}
