import type * as v from 'valibot'
import { PerduraError, toError } from '../errors.ts'
import { isJsonObject, type JsonObject } from '../json.ts'
import type { Clock } from '../platform/clock.ts'
import { Attempts, troubleOfError, troubleOfStatus, type Trouble } from '../platform/attempts.ts'
import { requestJson, type JsonAnswer } from '../platform/http-json.ts'
import type { Http } from '../platform/http.ts'
import type { Log } from '../platform/log.ts'
import type { Random } from '../platform/random.ts'
import { RetryBudget } from '../platform/retry-budget.ts'
import { parse } from '../protocol/parse.ts'
import type { HubAddresses } from './hub-addresses.ts'
import { RequestBudget } from './plain-budget.ts'
import type { SessionCredentials } from './session.ts'

export interface PlainRestOptions {
  readonly http: Http
  readonly addresses: Pick<HubAddresses, 'current'>
  readonly credentials: SessionCredentials
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** What came of a request: an answer; certainly nothing; or nobody knows. */
export type RestOutcome =
  | ({ readonly kind: 'answered' } & JsonAnswer)
  | { readonly kind: 'not-done'; readonly error: PerduraError }
  | { readonly kind: 'unknown'; readonly error: PerduraError }

const timeoutMs = 10_000
const troubleMinMs = 2_000
const troubleMaxMs = 60_000

/**
 * REST of a plain v1 server: within its limits, and with a token that it takes. A 401 says little there, since it is also
 * what a server answers that cannot reach its database: the token is replaced once, and if that does not help, the
 * server is left alone for a while, longer each time, since all agents of a server share 100 calls a minute for tokens.
 */
export class PlainRest {
  readonly #options: PlainRestOptions
  readonly #budget: RequestBudget
  readonly #retries = new RetryBudget()
  #troubles = 0

  constructor(options: PlainRestOptions) {
    this.#options = options
    this.#budget = new RequestBudget(options.clock)
  }

  /** Reads something; rejects with a retryable error for whatever is not what was asked for. */
  async read<Schema extends v.GenericSchema>(
    path: string,
    schema: Schema,
    signal: AbortSignal,
  ): Promise<v.InferOutput<Schema>> {
    const found = await this.find(path, schema, signal)
    if (found === undefined) throw broken(path, 'status 404')
    return found
  }

  /** The same, and undefined for what the server says is not there. */
  async find<Schema extends v.GenericSchema>(
    path: string,
    schema: Schema,
    signal: AbortSignal,
  ): Promise<v.InferOutput<Schema> | undefined> {
    const outcome = await this.request('GET', path, undefined, signal)
    const { note } = this.#retries
    if (outcome.kind !== 'answered') {
      const { code, message, details } = outcome.error
      throw note === ''
        ? outcome.error
        : new PerduraError(code, `${message}${note}`, { cause: outcome.error, details })
    }
    const { status, body } = outcome
    if (status === 404 && isJsonObject(body) && body['success'] === false) return undefined
    if (status !== 200) throw broken(path, `status ${status}${note}`)
    const parsed = parse(schema, body)
    if (!parsed.ok) throw broken(path, `what cannot be read at "${parsed.path}"`)
    return parsed.value
  }

  async request(
    method: 'GET' | 'POST',
    path: string,
    body: JsonObject | undefined,
    signal: AbortSignal,
  ): Promise<RestOutcome> {
    const { credentials, log } = this.#options
    let attempts: Attempts | undefined
    let isReplaced = false
    for (;;) {
      if (!(await this.#budget.take(signal))) return notDone('the session ends')
      let token: string
      try {
        token = (await credentials.access({ signal })).token
      } catch (thrown) {
        const error = toError(thrown)
        if (signal.aborted) return notDone('the session ends')
        log.debug('session:token:failed', { error })
        this.#trouble(error instanceof PerduraError ? error.details['retry_after'] : undefined)
        return notDone(error.message)
      }
      attempts ??= new Attempts({ ...this.#options, budget: this.#retries }, timeoutMs)
      const outcome = await this.#ask(method, path, { body, token, signal, attempts })
      // What writes is repeated by whoever can find out what came of it.
      const trouble = method === 'GET' ? troubleOf(outcome) : undefined
      if (trouble !== undefined && (await attempts.another(trouble, signal))) continue
      if (outcome.kind !== 'answered') return outcome
      if (outcome.status === 401) {
        credentials.invalidate(token)
        if (!isReplaced) {
          isReplaced = true
          continue
        }
        this.#trouble()
        return notDone('the server does not take a fresh token')
      }
      if (outcome.status === 429) {
        this.#trouble(isJsonObject(outcome.body) ? outcome.body['retry_after'] : undefined)
        return notDone('the server has been asked too often')
      }
      this.#troubles = 0
      if (trouble === undefined) this.#retries.succeeded()
      return outcome
    }
  }

  async #ask(
    method: string,
    path: string,
    call: {
      readonly body: JsonObject | undefined
      readonly token: string
      readonly signal: AbortSignal
      readonly attempts: Attempts
    },
  ): Promise<RestOutcome> {
    const { http, addresses } = this.#options
    const { body, token, signal, attempts } = call
    if (signal.aborted) return notDone('the session ends')
    // What writes gets all the time there is: it has no other attempt.
    const boundMs = method === 'GET' ? attempts.timeoutMs : timeoutMs
    if (boundMs === 0) return notDone('the deadline is over')
    try {
      const answer = await requestJson(
        http,
        addresses.current.rest,
        {
          method,
          path: `/api/v1${path}`,
          headers: { authorization: `Bearer ${token}` },
          ...(body !== undefined && { body }),
        },
        { timeoutMs: boundMs, signal },
      )
      return { kind: 'answered', ...answer }
    } catch (thrown) {
      if (!(thrown instanceof PerduraError)) throw thrown
      return { kind: thrown.details['reason'] === 'refused' ? 'not-done' : 'unknown', error: thrown }
    }
  }

  /** Leaves the server alone, for as long as it says, or longer each time. */
  #trouble(retryAfterS?: unknown): void {
    const { random } = this.#options
    const asked =
      typeof retryAfterS === 'number' && retryAfterS > 0 ? Math.min(retryAfterS, 3_600) * 1_000 : 0
    const capMs = Math.min(troubleMaxMs, troubleMinMs * 2 ** Math.min(this.#troubles, 10))
    this.#troubles += 1
    this.#budget.pause(asked + capMs * (0.5 + random.fraction() / 2))
  }
}

function troubleOf(outcome: RestOutcome): Trouble | undefined {
  if (outcome.kind !== 'answered') return troubleOfError(outcome.error)
  return troubleOfStatus(outcome.status, outcome.headers)
}

function notDone(why: string): RestOutcome {
  return { kind: 'not-done', error: new PerduraError('ERR_HUB_UNREACHABLE', `nothing was asked: ${why}`) }
}

function broken(path: string, what: string): PerduraError {
  const call = path.replace(/\?.*/, '')
  return new PerduraError(
    'ERR_HUB_PROTOCOL',
    `the server answered ${call} with ${what}: it is asked again later`,
  )
}
