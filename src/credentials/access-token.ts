export interface AccessTokenFields {
  readonly token: string
  readonly aiId: number
  readonly name: string
  /** Monotonic ms: from then on another one is fetched. */
  readonly refreshAtMs: number
  /** Monotonic ms: from then on the hub refuses it. */
  readonly expiresAtMs: number
}

/** What opens the hub's REST and WebSocket for some minutes. Logged or shown as a whole, it does not tell the token. */
export class AccessToken implements AccessTokenFields {
  readonly aiId: number
  readonly name: string
  readonly refreshAtMs: number
  readonly expiresAtMs: number
  readonly #token: string

  constructor({ token, aiId, name, refreshAtMs, expiresAtMs }: AccessTokenFields) {
    this.aiId = aiId
    this.name = name
    this.refreshAtMs = refreshAtMs
    this.expiresAtMs = expiresAtMs
    this.#token = token
  }

  get token(): string {
    return this.#token
  }

  /** The same token, to be replaced at another time. */
  refreshedAt(refreshAtMs: number): AccessToken {
    const { aiId, name, expiresAtMs, token } = this
    return new AccessToken({ token, aiId, name, refreshAtMs, expiresAtMs })
  }
}
