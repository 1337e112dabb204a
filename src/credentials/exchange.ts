import { timingSafeEqual } from 'node:crypto'
import type { Log } from '../platform/log.ts'
import type { Random } from '../platform/random.ts'
import { hubProof } from '../protocol/hub-proof.ts'
import { isRefusal } from './auth-client.ts'
import type { LoginEntry } from './credential-content.ts'
import type { Desk, Granted } from './granted.ts'
import { elapsedMs } from './moment.ts'

export interface ExchangeOptions {
  readonly desk: Desk
  readonly log: Log
  readonly random: Pick<Random, 'bytes' | 'uuid'>
  /** Longest time for one call, ms. */
  readonly requestTimeoutMs: number
  /** How many requests there have been that the hub may have acted on. */
  readonly doubts: () => number
}

/** How long a hub gives the same successor for a refresh token that it has replaced. */
const graceMs = 30_000
/** For an answer that is on its way when the grace ends, and for clocks that do not run alike. */
const marginMs = 2_000
/** A request that got no answer may reach the hub so much later; a token two steps old would be taken for a stolen one. */
const stragglersMs = 120_000

/**
 * Gets the next tokens with the refresh token, which is good for once, so that neither a death nor a lost answer looks like a
 * theft:
 *
 *   note the intent on disk → ask → put what was got in the place of both
 *
 * Who finds a note does not know whether the hub has replaced the token. Within the grace it asks again, with the same token
 * and the same note, and gets the same successor. Later, or when nobody can tell how long ago it was, it leaves the token alone,
 * and the key takes over.
 */
export class Exchange {
  readonly #options: ExchangeOptions
  /** A refresh token that the hub has refused. It stays on disk until another takes its place. */
  #refused: string | undefined

  constructor(options: ExchangeOptions) {
    this.#options = options
  }

  /** Whether a process before has not noted what became of its exchange, and it can be found out now. */
  isRepeatable({ asked }: LoginEntry): boolean {
    if (asked === undefined) return false
    const agoMs = elapsedMs(asked.at, this.#options.desk.start().got)
    return agoMs !== undefined && agoMs + this.#options.requestTimeoutMs + marginMs <= graceMs
  }

  /** Whether the hub has refused its refresh token to this process. */
  isRefused({ refresh_token: token }: LoginEntry): boolean {
    return token === this.#refused
  }

  /** Undefined where the token may not be used, or is refused: then a login is due. */
  async refresh(login: LoginEntry): Promise<Granted | undefined> {
    const { desk, log } = this.#options
    const { client, file, place } = desk
    const { refresh_token: token, generation } = login
    const asked = this.#note(login)
    if (asked === undefined) return undefined
    const { startMs, got } = desk.start()
    const doubts = this.#options.doubts()
    try {
      // An original server knows no such thing, and takes a token as often as it comes.
      const answer = await client.refresh(token, place.hubId === undefined ? undefined : asked.intent)
      if (!isRefusal(answer)) {
        const unsettled = asked.isRepeat ? asked.at : undefined
        return { grant: answer, startMs, got, generation, isRefresh: true, unsettled }
      }
      // What a proxy says proves nothing about the token; trying the key costs nothing either.
      if (answer.isOfHub) this.#refused = token
      const { status, code } = answer
      log.warn('credentials:refresh:refused', { hub: place.address.key, status, code })
      return undefined
    } catch (error) {
      // The hub has not got to see it, or says that it did nothing.
      const isUnused = place.hubId !== undefined && !asked.isRepeat && this.#options.doubts() === doubts
      if (isUnused) file.recordUnasked(place.key)
      throw error
    }
  }

  /**
   * Has whoever answers show that it knows the refresh token, before it gets to see it. False where it does not: another hub, one
   * that has lost its keys, or none.
   */
  async meet({ refresh_token: token }: LoginEntry): Promise<boolean> {
    const { desk, log, random } = this.#options
    const { client, place } = desk
    const [header = '', payload = '', signature = '', ...more] = token.split('.')
    const nonce = Buffer.from(random.bytes(16)).toString('base64url')
    const isToken = signature !== '' && more.length === 0
    if (!isToken) return false
    const answer = await client.prove(`${header}.${payload}`, nonce)
    const hub = place.address.key
    if (isRefusal(answer)) {
      log.warn('credentials:hub:unproven', { hub, status: answer.status, code: answer.code })
      return false
    }
    const isProven = sameText(answer.proof, hubProof(signature, answer.hub, nonce))
    if (!isProven) {
      log.warn('credentials:hub:unproven', { hub, claims: answer.hub })
      return false
    }
    place.identify(answer.hub)
    return true
  }

  /** The note that is on disk now; undefined where the token must not be used. */
  #note(login: LoginEntry): (NonNullable<LoginEntry['asked']> & { readonly isRepeat: boolean }) | undefined {
    const { asked, unsettled } = login
    const { desk, log, random } = this.#options
    const { file, place } = desk
    const { got: now } = desk.start()
    const hub = place.address.key
    if (place.hubId === undefined) return { intent: '', at: now, isRepeat: false }
    if (this.isRepeatable(login) && asked !== undefined) return { ...asked, isRepeat: true }
    if (asked !== undefined) {
      log.info('credentials:refresh:abandoned', { hub, askedAgoMs: elapsedMs(asked.at, now) ?? -1 })
      return undefined
    }
    if (unsettled !== undefined) {
      const agoMs = elapsedMs(unsettled, now)
      if (agoMs === undefined || agoMs < stragglersMs) {
        log.info('credentials:refresh:avoided', { hub, unsettledAgoMs: agoMs ?? -1 })
        return undefined
      }
    }
    const note = { intent: random.uuid(), at: now }
    file.recordAsked(place.key, note)
    return { ...note, isRepeat: false }
  }
}

function sameText(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
