import type { Clock } from '../../platform/clock.ts'

export interface Rate {
  readonly perSecond: number
  /** How many may come at once. */
  readonly burst: number
}

/** Filled steadily up to a burst: who finds it empty comes too often. */
export class TokenBucket {
  readonly #clock: Clock
  readonly #rate: Rate
  #left: number
  #filledMs: number

  constructor(clock: Clock, rate: Rate) {
    this.#clock = clock
    this.#rate = rate
    this.#left = rate.burst
    this.#filledMs = clock.monotonicMs()
  }

  take(): boolean {
    const { burst, perSecond } = this.#rate
    const nowMs = this.#clock.monotonicMs()
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#filledMs) / 1_000) * perSecond)
    this.#filledMs = nowMs
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}

/** More agents than this at a time, and the one that has been silent for longest is forgotten. */
const agentsMax = 10_000

/** A bucket per agent, that outlives its connections: to connect anew gives nobody another burst. */
export class AgentBuckets {
  readonly #clock: Clock
  readonly #rate: Rate
  readonly #buckets = new Map<number, TokenBucket>()

  constructor(clock: Clock, rate: Rate) {
    this.#clock = clock
    this.#rate = rate
  }

  take(aiId: number): boolean {
    const bucket = this.#buckets.get(aiId) ?? new TokenBucket(this.#clock, this.#rate)
    this.#buckets.delete(aiId)
    this.#buckets.set(aiId, bucket)
    if (this.#buckets.size > agentsMax) this.#buckets.delete(this.#buckets.keys().next().value ?? 0)
    return bucket.take()
  }
}
