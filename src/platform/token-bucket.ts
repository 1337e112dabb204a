import type { Clock } from './clock.ts'

export interface Rate {
  readonly perSecond: number
  /** How many may come at once. */
  readonly burst: number
}

/** Filled steadily up to a burst: who finds it empty comes too often. */
export class TokenBucket {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #rate: Rate
  #left: number
  #filledMs: number

  constructor(clock: Pick<Clock, 'monotonicMs'>, rate: Rate) {
    this.#clock = clock
    this.#rate = rate
    this.#left = rate.burst
    this.#filledMs = clock.monotonicMs()
  }

  /** How many may come now. */
  get left(): number {
    const { burst, perSecond } = this.#rate
    const nowMs = this.#clock.monotonicMs()
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#filledMs) / 1_000) * perSecond)
    this.#filledMs = nowMs
    return this.#left
  }

  /** Until one more may come, ms; 0 where it may. */
  get waitMs(): number {
    const { left } = this
    return left >= 1 ? 0 : ((1 - left) / this.#rate.perSecond) * 1_000
  }

  take(): boolean {
    if (this.left < 1) return false
    this.#left -= 1
    return true
  }
}

/** More callers than this at a time, and the one that has been silent for longest is forgotten. */
const bucketsMax = 10_000

/** A bucket per caller. Kept in memory: it protects whoever is called, and promises nothing. */
export class TokenBuckets<Caller> {
  readonly #clock: Clock
  readonly #rate: Rate
  readonly #buckets = new Map<Caller, TokenBucket>()

  constructor(clock: Clock, rate: Rate) {
    this.#clock = clock
    this.#rate = rate
  }

  of(caller: Caller): TokenBucket {
    const bucket = this.#buckets.get(caller) ?? new TokenBucket(this.#clock, this.#rate)
    // Put in again at the end: the first one of the map is the one that was silent for longest.
    this.#buckets.delete(caller)
    this.#buckets.set(caller, bucket)
    const [oldest] = this.#buckets.keys()
    if (this.#buckets.size > bucketsMax && oldest !== undefined) this.#buckets.delete(oldest)
    return bucket
  }
}
