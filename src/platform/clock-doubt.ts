import type { Clock } from './clock.ts'

/** A wall clock that has jumped by more than this is doubted. */
const jumpMaxMs = 3_600_000
const believeAfterMs = 86_400_000

/**
 * Doubts a wall clock that jumps, since what it calls old would be gone for good. It is believed again once it has held for
 * a day, as it does after a sleep of the machine, in which the monotonic clock stands still.
 */
export class ClockDoubt {
  readonly #clock: Pick<Clock, 'now' | 'monotonicMs'>
  /** As `#zeroOfClock` is when all is well, and where it has gone since. */
  #trusted: number
  #doubted: { readonly zero: number; readonly sinceMs: number } | undefined

  constructor(clock: Pick<Clock, 'now' | 'monotonicMs'>) {
    this.#clock = clock
    this.#trusted = this.#zeroOfClock()
  }

  /** By how much it has jumped, and is not believed for; undefined where it may be trusted. */
  look(): { readonly jumpedMs: number; readonly isNew: boolean } | undefined {
    const zero = this.#zeroOfClock()
    if (Math.abs(zero - this.#trusted) <= jumpMaxMs) {
      this.#doubted = undefined
      return undefined
    }
    const isNew = this.#doubted === undefined || Math.abs(zero - this.#doubted.zero) > jumpMaxMs
    if (isNew || this.#doubted === undefined) this.#doubted = { zero, sinceMs: this.#clock.monotonicMs() }
    if (this.#clock.monotonicMs() - this.#doubted.sinceMs < believeAfterMs) {
      return { jumpedMs: Math.round(zero - this.#trusted), isNew }
    }
    this.#trusted = zero
    this.#doubted = undefined
    return undefined
  }

  /**
   * Wall-clock ms, no later than it can be: by it nothing ends before its time, whichever way the clock jumps while this
   * process runs.
   */
  earliest(): number {
    return Math.floor(Math.min(this.#clock.now(), this.#undisturbed()))
  }

  /** Wall-clock ms, no earlier than it can be: from it, a time to come is reckoned. */
  latest(): number {
    return Math.ceil(Math.max(this.#clock.now(), this.#undisturbed()))
  }

  /** As the wall clock would be had it not jumped. */
  #undisturbed(): number {
    this.look()
    return this.#trusted + this.#clock.monotonicMs()
  }

  /** Wall-clock time at the zero of the monotonic clock: the same for ever, unless one of them jumps. */
  #zeroOfClock(): number {
    return this.#clock.now() - this.#clock.monotonicMs()
  }
}
