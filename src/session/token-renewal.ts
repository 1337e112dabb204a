import { toError } from '../errors.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { Random } from '../platform/random.ts'
import { retryAfterMsOf } from './backoff.ts'
import type { Access, SessionCredentials } from './session.ts'

export interface TokenRenewalOptions {
  readonly clock: Clock
  readonly random: Pick<Random, 'fraction'>
  readonly log: Log
  readonly credentials: Pick<SessionCredentials, 'access'>
  /** The token that the connection was opened with. */
  readonly access: Access
  /** Hands a new one to the hub. */
  readonly send: (token: string) => void
}

/**
 * Keeps the access token of a live connection young. It is due when the credentials say so, or earlier where the hub gives
 * it less time than they do. Where none can be got now, the hub is asked again in 5 s, and then less and less often, up to
 * a minute: it closes the connection when the old one has run out, and what then is to be done, the next login tells.
 */
export class TokenRenewal {
  readonly #options: TokenRenewalOptions
  #access: Access
  #hubDueMs = Infinity
  #failures = 0
  #notBeforeMs = 0
  /** The hub has not answered the last one: it takes one at a time. */
  #isAsked = false
  #busy = false
  #timer: Timer | undefined
  #stopped = false

  constructor(options: TokenRenewalOptions) {
    this.#options = options
    this.#access = options.access
  }

  /** The token that the hub was given last. */
  get token(): string {
    return this.#access.token
  }

  /** The connection is live, and the hub gives its token so long, s. */
  start(ttlS: number): void {
    this.#hubDueMs = this.#dueMs(ttlS)
    this.#arm()
  }

  /** The hub has taken the token that it was given. */
  refreshed(ttlS: number): void {
    if (!this.#isAsked) return
    this.#isAsked = false
    this.#options.log.debug('session:token:refreshed', { ttlS })
    // One that it gives no time would be asked for again at once, for ever.
    this.#hubDueMs = ttlS < 2 ? Infinity : this.#dueMs(ttlS)
    this.#arm()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #dueMs(ttlS: number): number {
    return this.#options.clock.monotonicMs() + ttlS * 1_000 * hubLifeUsed
  }

  #arm(): void {
    if (this.#stopped || this.#busy || this.#isAsked) return
    const dueMs = Math.max(this.#notBeforeMs, Math.min(this.#access.refreshAtMs, this.#hubDueMs))
    this.#timer?.cancel()
    if (dueMs === Infinity) return
    // In whole milliseconds: a difference that is lost in the sum would have the timer fire before its time, for ever.
    const waitMs = Math.min(timerMaxMs, Math.max(0, Math.ceil(dueMs - this.#options.clock.monotonicMs())))
    this.#timer = this.#options.clock.setTimer(waitMs, () => {
      if (this.#options.clock.monotonicMs() >= dueMs) void this.#renew()
      else this.#arm()
    })
  }

  async #renew(): Promise<void> {
    const { clock, log, credentials, send, random } = this.#options
    this.#busy = true
    try {
      // What the hub gives less time than the credentials know of, they would hand out again.
      const fresh = clock.monotonicMs() < this.#access.refreshAtMs
      const access = await credentials.access({ fresh })
      this.#failures = 0
      const isNew = access.token !== this.#access.token
      this.#access = access
      // The same one, and due at once: nothing better is to be had now.
      this.#notBeforeMs = isNew ? 0 : clock.monotonicMs() + pauseMinMs
      if (isNew && !this.#stopped) {
        this.#isAsked = true
        send(access.token)
      }
    } catch (thrown) {
      const error = toError(thrown)
      const rangeMs = Math.min(pauseMaxMs, pauseMinMs * 2 ** Math.min(this.#failures, 10))
      this.#failures += 1
      const pauseMs = Math.max(retryAfterMsOf(error) ?? 0, rangeMs * (0.5 + random.fraction() / 2))
      this.#notBeforeMs = clock.monotonicMs() + pauseMs
      if (!this.#stopped) log.warn('session:token:failed', { error, retryInMs: Math.round(pauseMs) })
    }
    this.#busy = false
    this.#arm()
  }
}

/** How much of the time that the hub gives a token is used before it is replaced. */
const hubLifeUsed = 0.8
const pauseMinMs = 5_000
const pauseMaxMs = 60_000
/** The longest delay that timers take is 2^31-1. */
const timerMaxMs = 24 * 3_600_000
