import type { Credit } from '../protocol/frames.ts'

/** Holds the hub to what it was granted: without that, whoever plays a hub could fill the agent's memory. */
export class Allowance {
  #granted: Credit
  readonly #used = { messages: 0, bytes: 0 }

  constructor(granted: Credit) {
    this.#granted = granted
  }

  /** Counted from the beginning of the connection. */
  grant(credit: Credit): void {
    this.#granted = credit
  }

  /** Whether a frame may come: while both were above zero, it may, whatever its own size. */
  use(bytes: number): boolean {
    const { messages, bytes: usedBytes } = this.#used
    if (messages >= this.#granted.messages || usedBytes >= this.#granted.bytes) return false
    this.#used.messages += 1
    this.#used.bytes += bytes
    return true
  }
}
