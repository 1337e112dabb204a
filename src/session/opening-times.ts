import { formatDuration } from '../duration.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { SessionLimits } from './session-limits.ts'

export interface OpeningTimesOptions {
  readonly clock: Pick<Clock, 'setTimer'>
  readonly limits: Pick<SessionLimits, 'connectMs' | 'handshakeMs'>
  readonly onLate: (reason: string) => void
}

/** What a connection that is not online yet is given to become so, once there is a reason to doubt it. */
const probeMs = 5_000

/** How long a connection may take until it is open, and from then on until it is in use. It runs from the beginning. */
export class OpeningTimes {
  readonly #options: OpeningTimesOptions
  #timers: Timer[] = []

  constructor(options: OpeningTimesOptions) {
    this.#options = options
    const { connectMs } = options.limits
    this.#allow(connectMs, `no connection within ${formatDuration(connectMs)}`)
  }

  opened(): void {
    const { handshakeMs } = this.#options.limits
    this.end()
    this.#allow(handshakeMs, `the handshake was not over within ${formatDuration(handshakeMs)}`)
  }

  /** It may have died without a word: it has to show within 5 s that it has not. */
  probe(reason: string): void {
    this.#allow(probeMs, `it was not online within ${formatDuration(probeMs)} after ${reason}`)
  }

  /** It is in use, or over. */
  end(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers = []
  }

  #allow(delayMs: number, late: string): void {
    const { clock, onLate } = this.#options
    this.#timers.push(clock.setTimer(delayMs, () => onLate(late)))
  }
}
