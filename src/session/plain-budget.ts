import { sleep, type Clock } from '../platform/clock.ts'

/*
 * A plain v1 server refuses the 102nd request of an agent within a minute. A bucket that is full at 10 and gets 80 a
 * minute lets 90 through in any minute, and leaves the rest for an agent that has just been started again.
 */
const burstMax = 10
const perMs = 80 / 60_000

/** Spreads an agent's requests to a plain v1 server over time. */
export class RequestBudget {
  readonly #clock: Clock
  #tokens = burstMax
  #countedMs: number
  #closedUntilMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#countedMs = clock.monotonicMs()
  }

  /** The server wants, or needs, to be left alone for a while. */
  pause(delayMs: number): void {
    this.#closedUntilMs = Math.max(this.#closedUntilMs, this.#clock.monotonicMs() + delayMs)
  }

  /** Resolves when a request may be made; false when it was called off. */
  async take(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const waitMs = this.#waitMs()
      if (waitMs <= 0) {
        this.#tokens -= 1
        return true
      }
      await sleep(this.#clock, waitMs, signal)
    }
    return false
  }

  #waitMs(): number {
    const nowMs = this.#clock.monotonicMs()
    this.#tokens = Math.min(burstMax, this.#tokens + (nowMs - this.#countedMs) * perMs)
    this.#countedMs = nowMs
    const refillMs = this.#tokens >= 1 ? 0 : Math.ceil((1 - this.#tokens) / perMs)
    return Math.max(refillMs, this.#closedUntilMs - nowMs)
  }
}
