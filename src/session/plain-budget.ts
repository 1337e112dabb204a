import { sleep, type Clock } from '../platform/clock.ts'
import { TokenBucket } from '../platform/token-bucket.ts'

/*
 * A plain v1 server refuses the 102nd request of an agent within a minute. A bucket that is full at 10 and gets 80 a
 * minute lets 90 through in any minute, and leaves the rest for an agent that has just been started again.
 */
const rate = { perSecond: 80 / 60, burst: 10 }

/** Spreads an agent's requests to a plain v1 server over time. */
export class RequestBudget {
  readonly #clock: Clock
  readonly #bucket: TokenBucket
  #closedUntilMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#bucket = new TokenBucket(clock, rate)
  }

  /** The server wants, or needs, to be left alone for a while. */
  pause(delayMs: number): void {
    this.#closedUntilMs = Math.max(this.#closedUntilMs, this.#clock.monotonicMs() + delayMs)
  }

  /** Resolves when a request may be made; false when it was called off. */
  async take(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const waitMs = Math.max(Math.ceil(this.#bucket.waitMs), this.#closedUntilMs - this.#clock.monotonicMs())
      if (waitMs <= 0 && this.#bucket.take()) return true
      await sleep(this.#clock, Math.max(0, waitMs), signal)
    }
    return false
  }
}
