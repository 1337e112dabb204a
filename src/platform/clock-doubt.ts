import type { Clock } from './clock.ts'

/** A wall clock that has jumped by more than this is doubted. */
export const jumpMaxMs = 3_600_000
const believeAfterMs = 86_400_000

/**
 * Doubts a wall clock that jumps, since what it calls old would be gone for good. It is believed again once it has held for
 * a day, as it does after a sleep of the machine, in which the monotonic clock stands still. Of one that goes on jumping the
 * same way, as on a machine that sleeps every night, that part is believed which has held for a day.
 */
export class ClockDoubt {
  readonly #clock: Pick<Clock, 'now' | 'monotonicMs'>
  /** As `#zeroOfClock` is when all is well, and the nearest to it that it has come back to since it has gone. */
  #trusted: number
  #doubted: { readonly nearest: number; readonly sinceMs: number } | undefined

  constructor(clock: Pick<Clock, 'now' | 'monotonicMs'>) {
    this.#clock = clock
    this.#trusted = this.#zeroOfClock()
  }

  /** By how much it has jumped, and is not believed for, ms; undefined where it may be trusted. */
  look(): number | undefined {
    const jumpedMs = this.#jumpedMs()
    if (jumpedMs === undefined || this.#doubted === undefined) return jumpedMs
    const { nearest, sinceMs } = this.#doubted
    if (this.#clock.monotonicMs() - sinceMs < believeAfterMs) return jumpedMs
    this.#trusted = nearest
    this.#doubted = undefined
    return this.#jumpedMs()
  }

  #jumpedMs(): number | undefined {
    const zero = this.#zeroOfClock()
    const trusted = this.#trusted
    if (Math.abs(zero - trusted) <= jumpMaxMs) {
      this.#doubted = undefined
      return undefined
    }
    const before = this.#doubted
    if (before === undefined || before.nearest > trusted !== zero > trusted) {
      this.#doubted = { nearest: zero, sinceMs: this.#clock.monotonicMs() }
    } else if (Math.abs(zero - trusted) < Math.abs(before.nearest - trusted)) {
      this.#doubted = { ...before, nearest: zero }
    }
    return Math.round(zero - trusted)
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
