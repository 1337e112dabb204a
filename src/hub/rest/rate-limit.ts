import { PerduraError } from '../../errors.ts'
import type { Clock } from '../../platform/clock.ts'
import { type TokenBucket, TokenBuckets } from '../../platform/token-bucket.ts'

/** What one caller may ask for: a minute's worth, filled steadily. */
export class RateLimit {
  readonly #perMinute: number
  readonly #buckets: TokenBuckets<string>

  constructor(clock: Clock, perMinute: number) {
    this.#perMinute = perMinute
    this.#buckets = new TokenBuckets(clock, { perSecond: perMinute / 60, burst: perMinute })
  }

  /**
   * Takes one token of this caller; `headers` gets what the answer says about it (draft-ietf-httpapi-ratelimit-headers),
   * unless another limit that it has already been counted under leaves less. Throws ERR_RATE_LIMIT when there is none.
   */
  take(caller: string, headers: Record<string, string>): void {
    const bucket = this.#buckets.of(caller)
    this.#tell(bucket, bucket.take(), headers)
  }

  /** Throws as `take` does, and takes nothing. */
  check(caller: string, headers: Record<string, string>): void {
    const bucket = this.#buckets.of(caller)
    if (bucket.left < 1) this.#tell(bucket, false, headers)
  }

  /** Counts what is told to nobody. */
  count(caller: string): void {
    this.#buckets.of(caller).take()
  }

  #tell(bucket: TokenBucket, isTaken: boolean, headers: Record<string, string>): void {
    const { left } = bucket
    if (!isTaken || !(Number(headers['ratelimit-remaining']) <= left)) {
      headers['ratelimit-limit'] = String(this.#perMinute)
      headers['ratelimit-remaining'] = String(Math.floor(left))
      headers['ratelimit-reset'] = String(Math.ceil((this.#perMinute - left) / (this.#perMinute / 60)))
    }
    if (isTaken) return
    const retryAfterS = Math.max(1, Math.ceil(bucket.waitMs / 1_000))
    throw new PerduraError(
      'ERR_RATE_LIMIT',
      `more than ${this.#perMinute} requests a minute: wait ${retryAfterS} s`,
      { details: { retry_after: retryAfterS } },
    )
  }
}

/** How many times as often as anything else the hub may be asked who it is. An answer takes it about 0.1 ms. */
const cheapFactor = 60

/**
 * Counts requests that come without an access token. All agents of a machine share its address, so that one of them that
 * runs wild must not take what the others need: each route has its own count, a refresh that is genuine counts for its
 * login and for nobody else, and a login first for the name, of which there are a tenth as many.
 */
export class OpenRateLimit {
  readonly #addresses: RateLimit
  readonly #names: RateLimit
  readonly #logins: RateLimit
  readonly #cheap: RateLimit

  constructor(clock: Clock, perMinute: number) {
    this.#addresses = new RateLimit(clock, perMinute)
    this.#names = new RateLimit(clock, Math.ceil(perMinute / 10))
    this.#logins = new RateLimit(clock, perMinute)
    this.#cheap = new RateLimit(clock, perMinute * cheapFactor)
  }

  /** As `RateLimit.take`. */
  take(
    {
      address,
      route,
      subject,
      isEntry = false,
    }: {
      readonly address: string
      readonly route: string
      readonly subject?: Subject
      /** What is admitted by its own budget: of its address only those count that have failed. */
      readonly isEntry?: boolean
    },
    headers: Record<string, string>,
  ): void {
    if (subject?.kind === 'login') return this.#logins.take(subject.sid, headers)
    if (subject?.kind === 'hub') return this.#cheap.take(`${route} ${address}`, headers)
    // With its address: nobody may lock an agent out from elsewhere. And first: what is refused here costs the others of
    // the address nothing.
    if (subject !== undefined) this.#names.take(`${route} ${address} ${subject.name}`, headers)
    const place = `${route} ${address}`
    if (isEntry) this.#addresses.check(place, headers)
    else this.#addresses.take(place, headers)
  }

  /** A login that was refused: who guesses is stopped, and a crowd that is let in one after the other is not. */
  failed({ address, route }: { readonly address: string; readonly route: string }): void {
    this.#addresses.count(`${route} ${address}`)
  }
}

/** Whom a request is about, as far as that can be told before it is answered. */
export type Subject =
  | { readonly kind: 'name'; readonly name: string }
  /** About the hub itself, and answered from memory: all agents of an address ask it at once when the hub comes back. */
  | { readonly kind: 'hub' }
  /** Proven: it bears a token of this login. */
  | { readonly kind: 'login'; readonly sid: string }
