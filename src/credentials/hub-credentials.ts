import { PerduraError, toError } from '../errors.ts'
import type { BootClock } from '../platform/boot-clock.ts'
import type { Clock } from '../platform/clock.ts'
import type { Http } from '../platform/http.ts'
import type { Log } from '../platform/log.ts'
import type { Random } from '../platform/random.ts'
import { RetryBudget } from '../platform/retry-budget.ts'
import { RetryingHttp } from '../platform/retrying-http.ts'
import { AccessToken, type AccessTokenFields } from './access-token.ts'
import { AuthClient, isRefusal } from './auth-client.ts'
import { type Compromise, newsOf } from './compromise.ts'
import { DoubtfulHttp } from './doubtful-http.ts'
import type { LoginEntry } from './credential-content.ts'
import type { CredentialFile } from './credential-file.ts'
import { Exchange } from './exchange.ts'
import type { Granted } from './granted.ts'
import { type AskedAddresses, HubPlace } from './hub-place.ts'
import { elapsedMs, momentOf } from './moment.ts'
import { SignIn } from './sign-in.ts'
import { closed, withTokenLock } from './token-lock.ts'
import { type TokenStatus, tokenStatus } from './token-status.ts'
import { untilAborted } from './until-aborted.ts'

export interface HubCredentialsOptions {
  readonly file: CredentialFile
  readonly http: Http
  readonly clock: Pick<Clock, 'monotonicMs' | 'now' | 'setTimer'>
  readonly boot: BootClock
  readonly random: Random
  readonly log: Log
  readonly hub: {
    /** All lead to one hub: the agent's place there is the same at each. */
    readonly addresses: AskedAddresses
    /** Empty for most hubs. */
    readonly pathPrefix: string
  }
  readonly name: string
  /** Default: the name. */
  readonly nickname?: string
  /** Longest time for one call, ms. Default 10,000. A login takes up to five of them. */
  readonly requestTimeoutMs?: number
  /**
   * Whether an original server, which has no challenges, may be logged in to by name alone. Default true. It costs no
   * secret; but whoever can answer in the hub's place can then take messages for it without knowing its key.
   */
  readonly openLoginFallback?: boolean
  /** Accept, once, that another hub than before is at this address. Default false; see ERR_HUB_IDENTITY. */
  readonly trustNewHub?: boolean
}

export interface AccessOptions {
  /** Ends the waiting, not the request, which others may be waiting for too. */
  readonly signal?: AbortSignal
  /** Asks the hub for another token even if the one that is there is young. */
  readonly fresh?: boolean
}

type TokenFields = Pick<AccessTokenFields, 'token' | 'aiId' | 'name'> & {
  readonly startMs: number
  readonly lifeMs: number
}

/** When a token is replaced, as parts of its life: spread, so that agents that started together do not stay together. */
const refreshAfter = { min: 0.7, max: 0.85 }
/** A token with less than this left is not handed out when no other can be got. */
const usableMs = 1_000

/**
 * What an agent has in order to act at one hub. `access` gives an access token that is young, by the cheapest way that
 * works:
 *
 *   the one in memory → the one that another process has got → the refresh token → login with the key → register, and login
 *
 * One step leads to the next only when it was refused. Time-outs, failures of a server and answers that are none throw a
 * retryable error: they never cost credentials, and what was refused stays on disk until something better takes its place.
 * Every new refresh token is on disk before its access token is handed out. Of all processes that have the file open, one
 * at a time asks the hub; the others find what it has got.
 *
 * Tokens carry the generation of their login, so a generation that has risen since leads to a new login.
 * At its first login it notes what the hub calls itself, and from then on signs for no other at that place. At its first
 * contact, and after each failure to reach it, the hub is to show that it knows the refresh token before it is sent any.
 */
export class HubCredentials {
  readonly #options: HubCredentialsOptions
  readonly #client: AuthClient
  readonly #exchange: Exchange
  readonly #signIn: SignIn
  readonly #closing = new AbortController()
  readonly #lockWaitMs: number
  #current: { readonly access: AccessToken; readonly generation: number } | undefined
  #flight: { readonly key: string; readonly token: Promise<AccessToken> } | undefined
  /** An access token that the hub has refused before its time. */
  #spurned: string | undefined
  /** Whoever answers has shown that it is the hub, and has been reached ever since. */
  #isProven = false
  readonly #place: HubPlace
  #onCompromised: ((compromise: Compromise) => void) | undefined

  constructor(options: HubCredentialsOptions) {
    const { boot, clock, file, http, hub, log, name, random, requestTimeoutMs = 10_000 } = options
    this.#options = options
    const place = new HubPlace({ file, addresses: hub.addresses, trustNewHub: options.trustNewHub ?? false })
    this.#place = place
    const budget = new RetryBudget()
    const doubtful = new DoubtfulHttp(http)
    this.#client = new AuthClient({
      http: doubtful,
      retrying: new RetryingHttp({ http: doubtful, clock, random, budget }),
      budget,
      address: () => place.address.rest,
      pathPrefix: hub.pathPrefix,
      timeoutMs: requestTimeoutMs,
      signal: this.#closing.signal,
    })
    const desk = {
      client: this.#client,
      file,
      place,
      start: () => ({ startMs: clock.monotonicMs(), got: momentOf(clock, boot) }),
    }
    this.#exchange = new Exchange({ desk, log, random, requestTimeoutMs, doubts: () => doubtful.doubts })
    const { nickname = name, openLoginFallback = true } = options
    this.#signIn = new SignIn({ desk, log, name, nickname, openLoginFallback })
    // Whoever has the lock makes up to six calls.
    this.#lockWaitMs = 6 * requestTimeoutMs
  }

  /**
   * A token for REST and WebSocket, times in monotonic ms. Callers at the same time share one request. Rejects with a
   * retryable error where nobody can tell, and else with ERR_NAME_TAKEN, ERR_PROFILE_INACTIVE, ERR_OPEN_LOGIN or
   * ERR_HUB_IDENTITY: then a person has to change something. Where a token is due for replacement and none can be got, it serves to its end.
   */
  async access({ signal, fresh = false }: AccessOptions = {}): Promise<AccessToken> {
    if (this.#closing.signal.aborted) throw closed()
    const young = this.#young()
    if (young !== undefined && !fresh) return young
    try {
      return await untilAborted(this.#fly(fresh), signal)
    } catch (error) {
      const rest = fresh || signal?.aborted === true ? undefined : this.#young()
      if (rest === undefined) throw error
      return rest
    }
  }

  /** By which what the agent has at this hub is found again; for good once `access` has resolved. */
  get place(): string {
    return this.#place.key
  }

  /** What the hub of this place calls itself, where it has proven to keep a name. */
  get hubId(): string | undefined {
    return this.#place.hubId
  }

  /** What is kept of the session in the file. */
  get kept(): {
    readonly generation: number
    readonly claim: string
    readonly start: number
    readonly takeover: boolean
  } {
    const { file } = this.#options
    const { place } = this
    return {
      generation: file.generation(place),
      claim: file.claim(place) ?? '',
      start: file.start(place),
      takeover: file.takeover(place),
    }
  }

  /** The hub does not take this token any more; one that has been replaced in the meantime is forgotten already. */
  invalidate(token: string): void {
    this.#spurned = token
    if (this.#current?.access.token === token) this.#current = undefined
  }

  /** The hub went away: another program may answer there by now, and is not to get even a token that is young. */
  doubt(): void {
    this.#isProven = false
    this.#place.leave()
  }

  /** How it stands, by what is on disk now. */
  status(): TokenStatus {
    const { boot, clock, file } = this.#options
    file.reload()
    return tokenStatus(file, this.place, momentOf(clock, boot))
  }

  /** To be told where the hub has ended a login because an old token of it came again. One listener. */
  onCompromised(listener: (compromise: Compromise) => void): void {
    this.#onCompromised = listener
  }

  /**
   * Gives the agent another key at this hub: on disk beside the old one before the hub is told. Where that is cut off, the
   * next login finds out which of them the hub knows, and goes on from there. All other logins of the agent end.
   */
  async rotateKey(): Promise<void> {
    const { file } = this.#options
    const { token } = await this.access()
    if (this.#place.hubId === undefined) {
      throw new PerduraError(
        'ERR_HUB_PROTOCOL',
        'this server knows no keys: there is nothing to change there',
      )
    }
    await this.#withLock(async () => {
      file.reload()
      if (!this.#isKeyPending()) file.addKey()
      await this.#signIn.changeKey(token)
    })
  }

  /** Ends the present login at the hub, or all of the agent's; returns how many. The key gets the next one. */
  async revoke({ all }: { readonly all: boolean }): Promise<number> {
    const { file } = this.#options
    const { token } = await this.access()
    return this.#withLock(async () => {
      const answer = await this.#client.revoke(token, all)
      if (isRefusal(answer)) throw this.#signIn.refusal('a revocation', answer)
      file.recordRevoked(this.place)
      this.#current = undefined
      return answer.revoked
    })
  }

  /** The fencing number that the hub gave; the tokens that follow carry it. */
  recordGeneration(generation: number): void {
    this.#options.file.recordGeneration(this.place, generation)
  }

  /** Calls off what is under way. When it resolves, nothing more is written to the file from here. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#flight?.token.catch(() => {})
  }

  /** One request for all who ask; what is under way at another address is waited for, and then it is asked here. */
  async #fly(fresh: boolean): Promise<AccessToken> {
    for (;;) {
      if (this.#flight === undefined) {
        const { key } = this.#place.turn()
        const token = this.#renew(fresh).finally(() => (this.#flight = undefined))
        this.#flight = { key, token }
      }
      const { key, token } = this.#flight
      if (key === this.#options.hub.addresses.current.key) return token
      await token.catch(() => {})
    }
  }

  /** The token in memory, unless it is due for replacement, from before the present generation, or nobody's business here. */
  #young(): AccessToken | undefined {
    const { clock, hub } = this.#options
    const current = this.#current
    if (current === undefined || this.#isOutdated(current.generation)) return undefined
    if (!this.#place.isMetAt(hub.addresses.current)) return undefined
    return clock.monotonicMs() < current.access.refreshAtMs ? current.access : undefined
  }

  #isOutdated(generation: number): boolean {
    return !this.#signIn.isPlain && generation < this.#options.file.generation(this.place)
  }

  async #renew(fresh: boolean): Promise<AccessToken> {
    try {
      // What is known now; another one that is found later was got in the meantime.
      const known = this.#current?.access.token ?? this.#options.file.login(this.place)?.access?.token
      const unwanted = new Set([this.#spurned, this.#current?.access.token, fresh ? known : undefined])
      return await this.#withLock(() => this.#renewAlone(fresh, unwanted))
    } catch (error) {
      if (this.#closing.signal.aborted) throw closed()
      if (error instanceof PerduraError && error.retryable) {
        // Another program may have its address by now.
        if (error.code === 'ERR_HUB_UNREACHABLE') this.#isProven = false
        this.#postpone()
      }
      throw error
    }
  }

  async #renewAlone(fresh: boolean, unwanted: ReadonlySet<string | undefined>): Promise<AccessToken> {
    const { file } = this.#options
    file.reload()
    const kept = file.login(this.place)
    const login = kept === undefined || this.#exchange.isRefused(kept) ? undefined : kept
    const isMet = (this.#isProven && this.#place.isMetAt(this.#place.address)) || (await this.#meet(login))
    this.#isProven = isMet
    const young = fresh ? undefined : this.#young()
    if (young !== undefined) return young
    if (isMet && login !== undefined && !this.#isOutdated(login.generation)) {
      // What was left open is settled while it can be.
      const shared = this.#exchange.isRepeatable(login) ? undefined : this.#share(login, unwanted)
      if (shared !== undefined) return shared
      const granted = await this.#exchange.refresh(login)
      if (granted !== undefined) return this.#take(granted)
    }
    const access = this.#take(await this.#signIn.login())
    await this.#finishKeyChange(access)
    return access
  }

  /** Who answers at this address is to show that it is the hub, before it gets what is the hub's. */
  async #meet(login: LoginEntry | undefined): Promise<boolean> {
    if (this.#place.hubId !== undefined) return login !== undefined && (await this.#exchange.meet(login))
    this.#place.trust()
    return true
  }

  /** The access token that another process has got, or the one before; undefined where there is none that is young. */
  #share(
    { access, ai_id: aiId, generation }: LoginEntry,
    unwanted: ReadonlySet<string | undefined>,
  ): AccessToken | undefined {
    const { boot, clock, file, name } = this.#options
    if (access === undefined || unwanted.has(access.token)) return undefined
    const ageMs = elapsedMs(access.got, momentOf(clock, boot))
    if (ageMs === undefined) return undefined
    const startMs = clock.monotonicMs() - ageMs
    const token = this.#tokenOf({ token: access.token, aiId, name, startMs, lifeMs: access.life_ms })
    if (clock.monotonicMs() >= token.refreshAtMs) return undefined
    if (this.#closing.signal.aborted) throw closed()
    file.recordStart(this.place)
    this.#place.take(undefined)
    this.#current = { access: token, generation }
    return token
  }

  /** A change of the key was cut off before the hub heard of it, or this hub was not reached when another one was told. */
  async #finishKeyChange({ token }: AccessToken): Promise<void> {
    if (this.#signIn.isPlain) return
    try {
      await this.#signIn.changeKey(token)
    } catch (error) {
      this.#options.log.warn('credentials:key:pending', { error: toError(error) })
    }
  }

  #isKeyPending(): boolean {
    const { file } = this.#options
    return file.keysFor(this.place)[0]?.publicKey !== file.publicKey
  }

  #withLock<T>(act: () => Promise<T>): Promise<T> {
    const { clock, file, random } = this.#options
    return withTokenLock({ clock, file, random, signal: this.#closing.signal, waitMs: this.#lockWaitMs }, act)
  }

  /** So that a hub in trouble is not asked by every caller while there is a token that it would still take. */
  #postpone(): void {
    const { clock, random } = this.#options
    const current = this.#current
    if (current === undefined) return
    const nowMs = clock.monotonicMs()
    const restMs = current.access.expiresAtMs - nowMs - usableMs
    if (restMs <= 0 || nowMs < current.access.refreshAtMs) return
    const pauseMs = Math.min(restMs, Math.max(usableMs, restMs * (0.2 + 0.1 * random.fraction())))
    this.#current = { ...current, access: current.access.refreshedAt(nowMs + pauseMs) }
  }

  /** What was granted, once it is on disk. */
  #take(granted: Granted): AccessToken {
    const { generation, got, grant, hubId, isRefresh, startMs, unsettled } = granted
    const { file, name } = this.#options
    const { place } = this
    // An answer may have come just before the end; whoever has the agent next must not lose what it wrote since.
    if (this.#closing.signal.aborted) throw closed()
    const aiId = grant.ai_id ?? file.aiId(place)
    if (aiId === undefined) throw this.#client.breach('a login', { status: 200, code: undefined }, 'no ai_id')
    const lifeMs = Math.floor(grant.expires_in * 1_000)
    const access = { token: grant.token, lifeMs, got }
    const refreshToken = grant.refresh_token
    file.recordLogin(place, { aiId, refreshToken, generation, hubId, access, isRefresh, unsettled })
    this.#place.take(hubId)
    // It knows the tokens, since it has made them.
    this.#isProven = true
    const token = this.#tokenOf({ token: grant.token, aiId, name, startMs, lifeMs })
    this.#current = { access: token, generation }
    this.#hear(grant.replayed)
    return token
  }

  #tokenOf({ lifeMs, startMs, ...rest }: TokenFields): AccessToken {
    const part = refreshAfter.min + (refreshAfter.max - refreshAfter.min) * this.#options.random.fraction()
    return new AccessToken({ ...rest, refreshAtMs: startMs + lifeMs * part, expiresAtMs: startMs + lifeMs })
  }

  /** Said before it is noted as said: the owner must learn of it. */
  #hear(replayed: Granted['grant']['replayed']): void {
    const { file, log } = this.#options
    const news = newsOf(file, this.place, replayed)
    if (news === undefined) return
    log.error('session:credentials:compromised', { hub: this.#place.address.key, ...news.compromise })
    this.#onCompromised?.(news.compromise)
    file.recordHeard(this.place, news.logins)
  }
}
