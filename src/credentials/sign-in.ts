import { describeAddress } from '../platform/http-error.ts'
import type { Log } from '../platform/log.ts'
import { keyChangeText, loginText } from '../protocol/rest.ts'
import type { PerduraError } from '../errors.ts'
import type { AgentKey } from './agent-key.ts'
import { isRefusal, type Refusal } from './auth-client.ts'
import { finalRefusal } from './final-refusal.ts'
import type { Desk, Granted } from './granted.ts'

export interface SignInOptions {
  readonly desk: Desk
  readonly log: Log
  readonly name: string
  readonly nickname: string
  readonly openLoginFallback: boolean
}

/**
 * A login with what the agent has for good: its key; and where nobody is registered under its name yet, registering it. Where
 * an original server answers, which knows no keys, by name.
 */
export class SignIn {
  readonly #options: SignInOptions
  /** An original server: it knows neither keys nor generations. Found out anew by each process. */
  #isPlain = false

  constructor(options: SignInOptions) {
    this.#options = options
  }

  get isPlain(): boolean {
    return this.#isPlain
  }

  async login(): Promise<Granted> {
    if (this.#isPlain) return this.#loginByName()
    const first = await this.#tryKeys()
    if (!isRefusal(first)) return first
    // Either nobody is registered under this name, or it is somebody else, or the challenge had run out. Registering
    // tells them apart: it is answered the same for what is registered already with the same key.
    if (first.code !== 'ERR_NO_SUCH_PROFILE' && first.code !== 'ERR_CREDENTIALS')
      throw this.refusal('a login', first)
    await this.#register()
    const second = await this.#tryKeys()
    if (isRefusal(second)) throw this.refusal('a login', second)
    return second
  }

  /**
   * Has the hub know the agent by its newest key. The present one and the new one sign; with an access token of the
   * agent. Nothing happens where it does already.
   */
  async changeKey(accessToken: string): Promise<void> {
    const { desk, log, name } = this.#options
    const { client, file, place } = desk
    const { publicKey } = file
    const keys = file.keysFor(place.key)
    const [present] = keys
    const next = keys.find((key) => key.publicKey === publicKey)
    if (present === undefined || next === undefined || present === next) return
    const challenge = await client.challenge(name)
    if (isRefusal(challenge)) throw this.refusal('the request for a challenge', challenge)
    place.identify(challenge.hub)
    const { hub: hubId, nonce } = challenge
    const text = keyChangeText({ hubId, name, nonce, publicKey })
    const body = { public_key: publicKey, nonce, signature: present.sign(text), proof: next.sign(text) }
    const answer = await client.changeKey(accessToken, body)
    if (isRefusal(answer)) throw this.refusal('a change of the key', answer)
    file.recordKey(place.key, publicKey)
    log.info('credentials:key:changed', { hub: place.address.key })
  }

  /** The error for a refusal: final where the hub names a reason that only a person can remove. */
  refusal(call: string, refusal: Refusal): PerduraError {
    const { desk, name } = this.#options
    const where = describeAddress(desk.place.address.rest)
    return finalRefusal(refusal, { where, name }) ?? desk.client.breach(call, refusal, 'a refusal')
  }

  /** With each key that the hub may know, since a change of it may have been cut off on either side of the hub's. */
  async #tryKeys(): Promise<Granted | Refusal> {
    const { file, place } = this.#options.desk
    let refused: Refusal | undefined
    for (const key of file.keysFor(place.key)) {
      const answer = await this.#tryKey(key)
      if (!isRefusal(answer)) return answer
      // What nobody is registered with, no other key changes.
      if (refused === undefined || answer.code !== 'ERR_CREDENTIALS') refused = answer
      if (answer.code !== 'ERR_CREDENTIALS') break
    }
    return refused as Refusal
  }

  async #tryKey(key: AgentKey): Promise<Granted | Refusal> {
    const { desk, log, name, nickname } = this.#options
    const { client, file, place } = desk
    const challenge = await client.challenge(name)
    if (isRefusal(challenge)) {
      // A hub that has said who it is does not become an original server; somebody else who answers there may.
      const isUnknown = challenge.status === 404 || challenge.status === 401
      if (isUnknown && !place.isPinned) return this.#loginByName()
      throw this.refusal('the request for a challenge', challenge)
    }
    place.identify(challenge.hub)
    const generation = file.generation(place.key)
    const { startMs, got } = desk.start()
    const answer = await client.login({
      ai_name: name,
      ai_nickname: nickname,
      nonce: challenge.nonce,
      signature: key.sign(loginText(challenge.hub, name, challenge.nonce)),
      generation,
    })
    if (isRefusal(answer)) return answer
    // With several keys it has to be known which.
    const isNoted = file.keysFor(place.key).length === 1 || file.hubKey(place.key) === key.publicKey
    if (!isNoted) file.recordKey(place.key, key.publicKey)
    log.info('credentials:login:done', { hub: place.address.key, aiId: answer.ai_id ?? 0, generation })
    return { grant: answer, startMs, got, generation, hubId: challenge.hub, isRefresh: false }
  }

  async #register(): Promise<void> {
    const { desk, log, name } = this.#options
    const { client, file, place } = desk
    const answer = await client.register(name, file.publicKey)
    if (isRefusal(answer)) throw this.refusal('a registration', answer)
    log.info('credentials:register:done', { hub: place.address.key, name })
  }

  /** At an original server, which makes a profile of any name that it does not know. */
  async #loginByName(): Promise<Granted> {
    const { desk, log, openLoginFallback } = this.#options
    const { client, file, place } = desk
    if (!openLoginFallback) {
      const refusal = { status: 404, code: undefined }
      throw client.breach('the request for a challenge', refusal, 'that it knows none')
    }
    const known = file.aiId(place.key) ?? 0
    let answer = await this.#tryName(known)
    // Its database is another one now.
    if (isRefusal(answer) && answer.isOfHub && answer.status === 404 && known !== 0)
      answer = await this.#tryName(0)
    if (isRefusal(answer)) {
      // Perhaps it is no original server any more; the next attempt finds out.
      this.#isPlain = false
      if (answer.isOfHub && answer.code === undefined && answer.status === 403) {
        throw this.refusal('a login', { ...answer, code: 'ERR_PROFILE_INACTIVE' })
      }
      throw client.breach('a login by name', answer, 'a refusal')
    }
    if (!this.#isPlain)
      log.info('credentials:plain:found', { hub: place.address.key, aiId: answer.grant.ai_id ?? 0 })
    this.#isPlain = true
    return answer
  }

  async #tryName(aiId: number): Promise<Granted | Refusal> {
    const { desk, name, nickname } = this.#options
    const { client, file, place } = desk
    const { startMs, got } = desk.start()
    const generation = file.generation(place.key)
    const answer = await client.login({ ai_name: name, ai_nickname: nickname, ai_id: aiId, generation })
    return isRefusal(answer) ? answer : { grant: answer, startMs, got, generation, isRefresh: false }
  }
}
