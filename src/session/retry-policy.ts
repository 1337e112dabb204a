import { TokenBucket } from '../platform/token-bucket.ts'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { backoffMs, suspendedMs } from './backoff.ts'

export interface RetryLimits {
  /** Unit of the growing delays, ms; 10 to 600,000. Default 1,000. Small ones make a hub in trouble wait for nobody. */
  readonly baseMs: number
  /** Attempts in a row, after which nothing is tried any more until somebody asks. Default: no end. */
  readonly attemptsMax: number
  /** Without a connection for so long, it is no short outage any more, ms. Default 120,000. */
  readonly suspendAfterMs: number
}

const defaultRetryLimits: RetryLimits = {
  baseMs: 1_000,
  attemptsMax: Infinity,
  suspendAfterMs: 120_000,
}

/** When the next attempt is made; without a delay there is none. */
export interface Retry {
  readonly state: 'backing-off' | 'suspended'
  readonly delayMs: number | undefined
}

export interface RetryPolicyOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly random: Pick<Random, 'fraction'>
  readonly limits?: Partial<RetryLimits>
}

/**
 * Decides when a session tries again; sets no timer, and changes no state. Three rules, of which the latest time counts:
 *
 * - the delay grows with the attempts in a row, and begins anew only after a connection that has lasted: one that fails as
 *   soon as it is open is no success;
 * - after two minutes without a connection it is 10 to 30 s, always;
 * - what a server asked for is waited for, up to an hour.
 *
 * An occasion (the machine woke, the network changed) begins anew, within a second; four a minute count, so that a network
 * that changes all the time does not become a hub's problem. A person who asks is never made to wait.
 */
export class RetryPolicy {
  readonly #options: RetryPolicyOptions
  readonly #limits: RetryLimits
  readonly #occasions: TokenBucket
  #attempts = 0
  #offlineMs: number
  #onlineMs: number | undefined
  /** Until when a server wants to be left alone. */
  #notBeforeMs = 0

  constructor(options: RetryPolicyOptions) {
    this.#options = options
    this.#limits = { ...defaultRetryLimits, ...options.limits }
    this.#offlineMs = options.clock.monotonicMs()
    this.#occasions = new TokenBucket(options.clock, { perSecond: occasionsMax / 60, burst: occasionsMax })
  }

  /** Attempts in a row since a connection lasted, or since somebody asked. */
  get attempts(): number {
    return this.#attempts
  }

  /** A connection is of use. */
  online(): void {
    this.#onlineMs = this.#options.clock.monotonicMs()
    this.#notBeforeMs = 0
  }

  /** A connection is over, or an attempt at one. Returns whether it was online for so long that it counts as a good one. */
  offline(): boolean {
    const nowMs = this.#options.clock.monotonicMs()
    const lasted = this.#onlineMs !== undefined && nowMs - this.#onlineMs >= stableMs
    if (lasted) this.#attempts = 0
    if (this.#onlineMs !== undefined) this.#offlineMs = nowMs
    this.#onlineMs = undefined
    return lasted
  }

  /** Nothing is left to be tried at once: when to try again. `atLeastMs` is what the server asked for. */
  failed(atLeastMs = 0): Retry {
    const { clock, random } = this.#options
    const { attemptsMax, baseMs, suspendAfterMs } = this.#limits
    const nowMs = clock.monotonicMs()
    this.#notBeforeMs = nowMs + atLeastMs
    if (this.#attempts >= attemptsMax) return { state: 'suspended', delayMs: undefined }
    const isLong = nowMs - this.#offlineMs >= suspendAfterMs
    const ownMs = isLong ? suspendedMs(random) : backoffMs(this.#attempts, random, baseMs)
    this.#attempts += 1
    return { state: isLong ? 'suspended' : 'backing-off', delayMs: this.#atLeast(ownMs) }
  }

  /**
   * There is reason to believe that it would work now. `passedMs` is what has passed without the clock: asleep, one waits
   * too. Undefined where there were too many occasions lately: then it stays as it was. Only whoever makes no more attempts
   * by itself comes back to it, when the next occasion would count: it might be the last one, by which it works.
   */
  occasion(passedMs: number): Retry | undefined {
    const { waitMs } = this.#occasions
    if (!this.#occasions.take() && this.#attempts < this.#limits.attemptsMax) return undefined
    const { random } = this.#options
    this.#notBeforeMs -= passedMs
    this.#beginAnew()
    // A thousand agents of one machine wake at the same moment.
    return { state: 'backing-off', delayMs: this.#atLeast(waitMs + random.fraction() * 1_000) }
  }

  /** Somebody wants a connection now. */
  asked(): Retry {
    this.#notBeforeMs = 0
    this.#beginAnew()
    return { state: 'backing-off', delayMs: 0 }
  }

  #beginAnew(): void {
    this.#attempts = 0
    this.#offlineMs = this.#options.clock.monotonicMs()
    this.#onlineMs = undefined
  }

  #atLeast(delayMs: number): number {
    return Math.max(delayMs, this.#notBeforeMs - this.#options.clock.monotonicMs())
  }
}

/** A connection that was online for so long was a good one: the next delay is short again. */
const stableMs = 30_000
const occasionsMax = 4
