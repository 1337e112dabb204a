import * as v from 'valibot'
import { PerduraError } from '../errors.ts'
import { isJsonObject, type JsonObject } from '../json.ts'
import { describeAddress } from '../platform/http-error.ts'
import { type JsonAnswer, requestJson } from '../platform/http-json.ts'
import type { Http, HttpAddress } from '../platform/http.ts'
import { retryAfterMs } from '../platform/retry-after.ts'
import type { RetryBudget } from '../platform/retry-budget.ts'
import { parse } from '../protocol/parse.ts'

export interface AuthClientOptions {
  readonly http: Http
  /** For the calls that may be repeated. */
  readonly retrying: Http
  /** What `retrying` spends. */
  readonly budget: RetryBudget
  readonly address: () => HttpAddress
  /** What stands before `/api/v1`; empty for most hubs. */
  readonly pathPrefix: string
  /** Longest time for one call, with all its repetitions, ms. */
  readonly timeoutMs: number
  /** Calls off whatever is under way. */
  readonly signal: AbortSignal
}

const token = v.pipe(v.string(), v.minLength(1), v.maxLength(16_384))
/** What is signed has colons between its parts, so none may be in them. */
const signedPart = v.pipe(v.string(), v.regex(/^[^:\s]{1,256}$/))

const challengeSchema = v.object({ nonce: signedPart, hub: signedPart })

const grantSchema = v.object({
  token,
  refresh_token: token,
  /** Seconds. */
  expires_in: v.pipe(v.number(), v.finite(), v.minValue(1)),
  ai_id: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
  /** Earlier logins that the hub has ended because an old token of theirs came again. */
  replayed: v.optional(
    v.pipe(
      v.array(v.object({ login: v.pipe(v.string(), v.maxLength(64)), ago_s: v.number() })),
      v.maxLength(100),
    ),
    [],
  ),
})

const proofSchema = v.object({ hub: signedPart, proof: v.string() })

export type Challenge = v.InferOutput<typeof challengeSchema>
export type Grant = v.InferOutput<typeof grantSchema>

/** The hub answered, and the answer is no. */
export interface Refusal {
  readonly refused: true
  readonly status: number
  /** The hub's own code; original servers have none. */
  readonly code: string | undefined
  /** Whether it has the shape of a hub's answer: what else stands in the way proves nothing about credentials. */
  readonly isOfHub: boolean
}

interface How {
  readonly method?: string
  readonly accessToken?: string
}

export function isRefusal(answer: object): answer is Refusal {
  return 'refused' in answer
}

/**
 * The calls by which tokens are got. A refusal is returned; that nobody can tell is thrown, and is retryable:
 * ERR_HUB_UNREACHABLE without an answer or with a server's own failure, ERR_RATE_LIMIT, ERR_HUB_PROTOCOL for an answer that
 * is none. Of what the hub says, nothing but codes gets into errors: it may repeat what it was sent.
 */
export class AuthClient {
  readonly #options: AuthClientOptions

  constructor(options: AuthClientOptions) {
    this.#options = options
  }

  /** What to sign for a login under this name. */
  challenge(name: string): Promise<Challenge | Refusal> {
    return this.#call('/auth/challenge', challengeSchema, { ai_name: name }, this.#options.retrying)
  }

  /** Not repeated: what was signed is good for once. */
  login(body: JsonObject): Promise<Grant | Refusal> {
    return this.#call('/auth/login', grantSchema, body, this.#options.http)
  }

  /** Repeated at once it gets the same successor. */
  refresh(refreshToken: string, intent: string | undefined): Promise<Grant | Refusal> {
    const body = { refresh_token: refreshToken, ...(intent !== undefined && { intent }) }
    return this.#call('/auth/refresh', grantSchema, body, this.#options.retrying)
  }

  /** Has the hub show that it made the refresh token that begins so. */
  prove(half: string, nonce: string): Promise<v.InferOutput<typeof proofSchema> | Refusal> {
    return this.#call('/auth/prove', proofSchema, { token: half, nonce }, this.#options.retrying)
  }

  /** Ends the login of the access token, or all of its agent's. */
  revoke(accessToken: string, all: boolean): Promise<{ readonly revoked: number } | Refusal> {
    const answer = v.object({ revoked: v.number() })
    return this.#call('/auth/revoke', answer, { all }, this.#options.retrying, { accessToken })
  }

  changeKey(accessToken: string, body: JsonObject): Promise<{ readonly changed: boolean } | Refusal> {
    return this.#call('/ai/key', v.object({ changed: v.boolean() }), body, this.#options.http, {
      accessToken,
      method: 'PUT',
    })
  }

  /** Repeating it with the same key changes nothing. */
  register(name: string, publicKey: string): Promise<object | Refusal> {
    return this.#call('/ai/register', v.object({}), { name, public_key: publicKey }, this.#options.retrying)
  }

  /** The hub keeps to no rule that is known here. */
  breach(call: string, { status, code }: Pick<Refusal, 'status' | 'code'>, what: string): PerduraError {
    const hub = describeAddress(this.#options.address())
    const said = code === undefined ? `status ${status}` : `status ${status}, ${code}`
    return new PerduraError(
      'ERR_HUB_PROTOCOL',
      `${hub} answered ${call} with ${what} (${said}); check that it is a hub: it is asked again later`,
      { details: { hub, status, ...(code !== undefined && { code }) } },
    )
  }

  async #call<Schema extends v.GenericSchema<unknown, object>>(
    call: string,
    schema: Schema,
    body: JsonObject,
    http: Http,
    how: How = {},
  ): Promise<v.InferOutput<Schema> | Refusal> {
    const answer = await this.#request(call, body, http, how)
    const { status } = answer
    if (status >= 500 || status === 408 || status === 425)
      throw this.#unreachable(`failed with status ${status}`, { retryAfterMs: retryAfterMs(answer.headers) })
    if (status === 429) throw this.#rateLimited(answer)
    if (status >= 400) return refusalOf(answer)
    if (status < 200 || status >= 300) throw this.breach(call, refusalOf(answer), 'what is no answer')
    const parsed = parse(schema, answer.body)
    // Where it is wrong may be told, not what was there instead: that may be a token.
    if (!parsed.ok) throw this.breach(call, refusalOf(answer), `what cannot be read at "${parsed.path}"`)
    return parsed.value
  }

  async #request(
    call: string,
    body: JsonObject,
    http: Http,
    { method = 'POST', accessToken }: How,
  ): Promise<JsonAnswer> {
    const { pathPrefix, timeoutMs, signal } = this.#options
    const address = this.#options.address()
    try {
      const path = `${pathPrefix}/api/v1${call}`
      const headers: Record<string, string> =
        accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }
      return await requestJson(http, address, { method, path, body, headers }, { timeoutMs, signal })
    } catch (error) {
      if (!(error instanceof PerduraError)) throw error
      if (error.code === 'ERR_HTTP_UNREACHABLE') throw this.#unreachable('gave no answer', { cause: error })
      throw new PerduraError('ERR_HUB_PROTOCOL', `${describeAddress(address)}: ${error.message}`, {
        cause: error,
      })
    }
  }

  #unreachable(
    what: string,
    { cause, retryAfterMs: waitMs }: { cause?: PerduraError; retryAfterMs?: number | undefined },
  ): PerduraError {
    const hub = describeAddress(this.#options.address())
    const reason = cause?.details['reason']
    const why = typeof reason === 'string' ? ` (${reason})` : ''
    return new PerduraError(
      'ERR_HUB_UNREACHABLE',
      `the hub ${hub} ${what}${why}; it is asked again later, and the credentials are kept${this.#options.budget.note}`,
      {
        cause,
        details: {
          hub,
          ...(typeof reason === 'string' && { reason }),
          // A hub that takes no more logins now says when it will.
          ...(waitMs !== undefined && { retry_after: waitMs / 1_000 }),
        },
      },
    )
  }

  #rateLimited({ headers, body }: JsonAnswer): PerduraError {
    const hub = describeAddress(this.#options.address())
    const asked = Number(headers['retry-after'] ?? (isJsonObject(body) ? body['retry_after'] : undefined))
    const retryAfterS = Number.isFinite(asked) && asked > 0 ? Math.min(asked, 3_600) : 60
    return new PerduraError('ERR_RATE_LIMIT', `the hub ${hub} is asked too often: wait ${retryAfterS} s`, {
      details: { hub, retry_after: retryAfterS },
    })
  }
}

function refusalOf({ status, body }: JsonAnswer): Refusal {
  const fields = isJsonObject(body) ? body : {}
  const { code } = fields
  const isCode = typeof code === 'string' && /^[A-Z][A-Z0-9_]{0,63}$/.test(code)
  return { refused: true, status, code: isCode ? code : undefined, isOfHub: fields['success'] === false }
}
