import type { Clock, Timer } from '../platform/clock.ts'

/** How often a watch looks, ms. */
const watchPeriodMs = 1_000

/**
 * Watches one process for signs of life, in time that the supervisor itself was running: each look adds at most twice its
 * period. A supervisor that was suspended, with its machine or alone, has heard nothing either, and blames nobody for
 * what it did not listen to.
 */
export class LivenessWatch {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'setTimer'>
  readonly #onLook: () => void
  #timer: Timer | undefined
  #lookedMs = 0
  #ranMs = 0
  #heardMs = 0

  constructor(clock: Pick<Clock, 'monotonicMs' | 'setTimer'>, onLook: () => void) {
    this.#clock = clock
    this.#onLook = onLook
  }

  /** A process is there from now on. */
  begin(): void {
    this.end()
    this.#ranMs = 0
    this.#heardMs = 0
    this.#lookedMs = this.#clock.monotonicMs()
    this.#arm()
  }

  end(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  heard(): void {
    this.#heardMs = this.#ranMs
  }

  /** Silence counts only from so much later on, or from when it is heard. */
  excuse(forMs: number): void {
    this.#heardMs = this.#ranMs + forMs
  }

  /** Time that it has been watched, ms. */
  get ranMs(): number {
    return this.#ranMs
  }

  /** Time since it was heard, or since it has been watched, ms. */
  get silentMs(): number {
    return this.#ranMs - this.#heardMs
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(watchPeriodMs, () => {
      const nowMs = this.#clock.monotonicMs()
      this.#ranMs += Math.min(nowMs - this.#lookedMs, 2 * watchPeriodMs)
      this.#lookedMs = nowMs
      // Before the look, which may end the watch.
      this.#arm()
      this.#onLook()
    })
  }
}
