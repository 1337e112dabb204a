import { loginText } from '../protocol/rest.ts'
import { PerduraError, toError } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import { describeAddress } from '../platform/http-error.ts'
import type { Http } from '../platform/http.ts'
import type { Log } from '../platform/log.ts'
import type { Random } from '../platform/random.ts'
import { RetryBudget } from '../platform/retry-budget.ts'
import { RetryingHttp } from '../platform/retrying-http.ts'
import { AccessToken } from './access-token.ts'
import { AuthClient, type Grant, isRefusal, type Refusal } from './auth-client.ts'
import type { CredentialFile } from './credential-file.ts'
import { finalRefusal } from './final-refusal.ts'
import { type AskedAddresses, HubPlace } from './hub-place.ts'

export interface HubCredentialsOptions {
  readonly file: CredentialFile
  readonly http: Http
  readonly clock: Pick<Clock, 'monotonicMs' | 'setTimer'>
  readonly random: Pick<Random, 'fraction'>
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

/** When a token is replaced, as parts of its life: spread, so that agents that started together do not stay together. */
const refreshAfter = { min: 0.7, max: 0.85 }
/** A token with less than this left is not handed out when no other can be got. */
const usableMs = 1_000

/**
 * What an agent has in order to act at one hub. `access` gives an access token that is young, by the cheapest way that
 * works:
 *
 *   the one in memory → the refresh token → login with the key → register, and login
 *
 * One step leads to the next only when it was refused. Time-outs, failures of a server and answers that are none throw a
 * retryable error and leave everything as it was: they never cost credentials, and what was refused stays on disk until
 * something better takes its place. Every new refresh token is on disk before its access token is handed out. A process
 * that dies between the hub's rotation and that finds the refresh token before it, which the hub takes for 30 s more;
 * after that, the key takes over.
 *
 * Tokens carry the generation of their login, so a generation that has risen since leads to a new login.
 *
 * At its first login it notes what the hub calls itself, and from then on signs for no other at that place.
 */
export class HubCredentials {
  readonly #options: HubCredentialsOptions
  readonly #client: AuthClient
  readonly #closing = new AbortController()
  #current: { readonly access: AccessToken; readonly generation: number } | undefined
  #flight: { readonly key: string; readonly token: Promise<AccessToken> } | undefined
  /** A refresh token that the hub has refused. It stays on disk until another takes its place. */
  #refused: string | undefined
  /** An original server: it knows neither keys nor generations. Found out anew by each process. */
  #isPlain = false
  readonly #place: HubPlace

  constructor(options: HubCredentialsOptions) {
    const { clock, random, file, http, hub, requestTimeoutMs = 10_000, trustNewHub = false } = options
    const { addresses } = hub
    this.#options = options
    this.#place = new HubPlace({ file, addresses, trustNewHub })
    const budget = new RetryBudget()
    this.#client = new AuthClient({
      http,
      retrying: new RetryingHttp({ http, clock, random, budget }),
      budget,
      address: () => this.#place.address.rest,
      pathPrefix: hub.pathPrefix,
      timeoutMs: requestTimeoutMs,
      signal: this.#closing.signal,
    })
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

  /** What is kept of the session in the file. */
  get kept(): { readonly generation: number; readonly claim: string; readonly start: number } {
    const { file } = this.#options
    const { place } = this
    return {
      generation: file.generation(place),
      claim: file.claim(place) ?? '',
      start: file.start(place),
    }
  }

  /** The hub does not take this token any more; one that has been replaced in the meantime is forgotten already. */
  invalidate(token: string): void {
    if (this.#current?.access.token === token) this.#current = undefined
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
    return !this.#isPlain && generation < this.#options.file.generation(this.place)
  }

  async #renew(fresh: boolean): Promise<AccessToken> {
    try {
      if (!this.#place.isMetAt(this.#place.address)) {
        await this.#meet()
        const young = fresh ? undefined : this.#young()
        if (young !== undefined) return young
      }
      return (await this.#refresh()) ?? (await this.#login())
    } catch (error) {
      if (this.#closing.signal.aborted) throw closed()
      if (error instanceof PerduraError && error.retryable) this.#postpone()
      throw error
    }
  }

  /** Who answers at this address is asked who it is, before it gets what is the hub's. */
  async #meet(): Promise<void> {
    if (this.#place.hubId === undefined) return this.#place.trust()
    const challenge = await this.#client.challenge(this.#options.name)
    if (isRefusal(challenge)) throw this.#refusal('the request for a challenge', challenge)
    this.#place.identify(challenge.hub)
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

  /** Undefined where there is nothing to refresh with: then a login is due. */
  async #refresh(): Promise<AccessToken | undefined> {
    const { clock, file, log } = this.#options
    const token = file.refreshToken(this.place)
    const generation = file.loginGeneration(this.place)
    if (token === undefined || generation === undefined) return undefined
    if (token === this.#refused || this.#isOutdated(generation)) return undefined
    const startMs = clock.monotonicMs()
    const answer = await this.#client.refresh(token)
    if (!isRefusal(answer)) return this.#take(answer, { startMs, generation })
    // What a proxy says proves nothing about the token; trying the key costs nothing either.
    if (answer.isOfHub) this.#refused = token
    log.warn('credentials:refresh:refused', {
      hub: this.#place.address.key,
      status: answer.status,
      code: answer.code,
    })
    return undefined
  }

  async #login(): Promise<AccessToken> {
    if (this.#isPlain) return this.#loginByName()
    const first = await this.#tryKey()
    if (!isRefusal(first)) return first
    // Either nobody is registered under this name, or it is somebody else, or the challenge had run out. Registering
    // tells them apart: it is answered the same for what is registered already with the same key.
    if (first.code !== 'ERR_NO_SUCH_PROFILE' && first.code !== 'ERR_CREDENTIALS')
      throw this.#refusal('a login', first)
    await this.#register()
    const second = await this.#tryKey()
    if (isRefusal(second)) throw this.#refusal('a login', second)
    return second
  }

  async #tryKey(): Promise<AccessToken | Refusal> {
    const { clock, file, log, name, nickname = name } = this.#options
    const challenge = await this.#client.challenge(name)
    if (isRefusal(challenge)) {
      if (challenge.status === 404 || challenge.status === 401) return this.#loginByName()
      throw this.#refusal('the request for a challenge', challenge)
    }
    this.#place.identify(challenge.hub)
    const generation = file.generation(this.place)
    const startMs = clock.monotonicMs()
    const answer = await this.#client.login({
      ai_name: name,
      ai_nickname: nickname,
      nonce: challenge.nonce,
      signature: file.sign(loginText(challenge.hub, name, challenge.nonce)),
      generation,
    })
    if (isRefusal(answer)) return answer
    const access = this.#take(answer, { startMs, generation, hubId: challenge.hub })
    log.info('credentials:login:done', { hub: this.#place.address.key, aiId: access.aiId, generation })
    return access
  }

  async #register(): Promise<void> {
    const { file, log, name } = this.#options
    const answer = await this.#client.register(name, file.publicKey)
    if (isRefusal(answer)) throw this.#refusal('a registration', answer)
    log.info('credentials:register:done', { hub: this.#place.address.key, name })
  }

  /** At an original server, which makes a profile of any name that it does not know. */
  async #loginByName(): Promise<AccessToken> {
    const { file, log, openLoginFallback = true } = this.#options
    if (!openLoginFallback) {
      const refusal = { status: 404, code: undefined }
      throw this.#client.breach('the request for a challenge', refusal, 'that it knows none')
    }
    const known = file.aiId(this.place) ?? 0
    let answer = await this.#tryName(known)
    // Its database is another one now.
    if (isRefusal(answer) && answer.isOfHub && answer.status === 404 && known !== 0)
      answer = await this.#tryName(0)
    if (isRefusal(answer)) {
      // Perhaps it is no original server any more; the next attempt finds out.
      this.#isPlain = false
      if (answer.isOfHub && answer.code === undefined && answer.status === 403) {
        throw this.#refusal('a login', { ...answer, code: 'ERR_PROFILE_INACTIVE' })
      }
      throw this.#client.breach('a login by name', answer, 'a refusal')
    }
    if (!this.#isPlain)
      log.info('credentials:plain:found', { hub: this.#place.address.key, aiId: answer.aiId })
    this.#isPlain = true
    return answer
  }

  async #tryName(aiId: number): Promise<AccessToken | Refusal> {
    const { clock, file, name, nickname = name } = this.#options
    const startMs = clock.monotonicMs()
    const generation = file.generation(this.place)
    const answer = await this.#client.login({ ai_name: name, ai_nickname: nickname, ai_id: aiId, generation })
    return isRefusal(answer) ? answer : this.#take(answer, { startMs, generation })
  }

  /** What was granted, once it is on disk. Its life counts from before the request: it is never longer than the hub's. */
  #take(
    grant: Grant,
    { startMs, generation, hubId }: { startMs: number; generation: number; hubId?: string },
  ): AccessToken {
    const { file, name, random } = this.#options
    const { place } = this
    // An answer may have come just before the end; whoever has the agent next must not lose what it wrote since.
    if (this.#closing.signal.aborted) throw closed()
    const aiId = grant.ai_id ?? file.aiId(place)
    if (aiId === undefined) throw this.#client.breach('a login', { status: 200, code: undefined }, 'no ai_id')
    file.recordLogin(place, { aiId, refreshToken: grant.refresh_token, generation, hubId })
    this.#place.take(hubId)
    const lifeMs = grant.expires_in * 1_000
    const part = refreshAfter.min + (refreshAfter.max - refreshAfter.min) * random.fraction()
    const access = new AccessToken({
      token: grant.token,
      aiId,
      name,
      refreshAtMs: startMs + lifeMs * part,
      expiresAtMs: startMs + lifeMs,
    })
    this.#current = { access, generation }
    return access
  }

  #refusal(call: string, refusal: Refusal): PerduraError {
    const final = finalRefusal(refusal, {
      where: describeAddress(this.#place.address.rest),
      name: this.#options.name,
    })
    return final ?? this.#client.breach(call, refusal, 'a refusal')
  }
}

function closed(): PerduraError {
  return new PerduraError('ERR_STORE_CLOSED', 'the agent is stopping: no more tokens are fetched')
}

/** The promise's outcome, or a rejection as soon as the signal aborts; the promise itself goes on. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(
        new PerduraError('ERR_HUB_UNREACHABLE', 'waiting for a token was called off', {
          cause: signal.reason,
        }),
      )
    }
    const settle = (act: () => void): void => {
      signal.removeEventListener('abort', abort)
      act()
    }
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort)
    promise.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(toError(error))),
    )
  })
}
