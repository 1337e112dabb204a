import { PerduraError } from '../../errors.ts'
import type { Clock } from '../../platform/clock.ts'

interface Bucket {
  tokens: number
  filledAt: number
}

/** More callers than this at a time, and the one that has been silent for longest is forgotten. */
const bucketsMax = 10_000

/**
 * A bucket of tokens per caller, filled steadily up to one minute's worth. Kept in memory: it protects the hub, and
 * promises nothing.
 */
export class RateLimit {
  readonly #clock: Clock
  readonly #perMinute: number
  readonly #buckets = new Map<string, Bucket>()

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock
    this.#perMinute = perMinute
  }

  /**
   * Takes one token of this caller; `headers` gets what the answer says about it (draft-ietf-httpapi-ratelimit-headers),
   * unless another limit that it has already been counted under leaves less. Throws ERR_RATE_LIMIT when there is none.
   */
  take(caller: string, headers: Record<string, string>): void {
    const now = this.#clock.monotonicMs()
    const perMs = this.#perMinute / 60_000
    const known = this.#buckets.get(caller) ?? { tokens: this.#perMinute, filledAt: now }
    const filled = Math.min(this.#perMinute, known.tokens + (now - known.filledAt) * perMs)
    const tokens = filled >= 1 ? filled - 1 : filled
    // Put in again at the end: the first one of the map is the one that was silent for longest.
    this.#buckets.delete(caller)
    this.#buckets.set(caller, { tokens, filledAt: now })
    if (this.#buckets.size > bucketsMax) this.#buckets.delete(this.#buckets.keys().next().value ?? '')
    if (filled < 1 || !(Number(headers['ratelimit-remaining']) <= tokens)) {
      headers['ratelimit-limit'] = String(this.#perMinute)
      headers['ratelimit-remaining'] = String(Math.floor(tokens))
      headers['ratelimit-reset'] = String(Math.ceil((this.#perMinute - tokens) / perMs / 1_000))
    }
    if (filled >= 1) return
    const retryAfterS = Math.max(1, Math.ceil((1 - tokens) / perMs / 1_000))
    throw new PerduraError(
      'ERR_RATE_LIMIT',
      `more than ${this.#perMinute} requests a minute: wait ${retryAfterS} s`,
      { details: { retry_after: retryAfterS } },
    )
  }
}

/**
 * Counts requests that come without an access token. All agents of a machine share its address, so that one of them that
 * runs wild must not take what the others need: each route has its own count, a refresh that is genuine counts for its
 * login and for nobody else, and a login first for the name, of which there are a tenth as many.
 */
export class OpenRateLimit {
  readonly #addresses: RateLimit
  readonly #names: RateLimit
  readonly #logins: RateLimit

  constructor(clock: Clock, perMinute: number) {
    this.#addresses = new RateLimit(clock, perMinute)
    this.#names = new RateLimit(clock, Math.ceil(perMinute / 10))
    this.#logins = new RateLimit(clock, perMinute)
  }

  /** As `RateLimit.take`. */
  take(
    {
      address,
      route,
      subject,
    }: { readonly address: string; readonly route: string; readonly subject?: Subject },
    headers: Record<string, string>,
  ): void {
    if (subject?.kind === 'login') return this.#logins.take(subject.sid, headers)
    // With its address: nobody may lock an agent out from elsewhere. And first: what is refused here costs the others of
    // the address nothing.
    if (subject !== undefined) this.#names.take(`${route} ${address} ${subject.name}`, headers)
    this.#addresses.take(`${route} ${address}`, headers)
  }
}

/** Whom a request is about, as far as that can be told before it is answered. */
export type Subject =
  | { readonly kind: 'name'; readonly name: string }
  /** Proven: it bears a token of this login. */
  | { readonly kind: 'login'; readonly sid: string }
