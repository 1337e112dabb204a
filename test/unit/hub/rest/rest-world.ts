import type { Auth, HubAuthOptions } from '../../../../src/hub/auth/auth.ts'
import { createRest } from '../../../../src/hub/rest/rest.ts'
import type { RestDeps } from '../../../../src/hub/rest/route.ts'
import { defaultStreamLimits } from '../../../../src/hub/streams.ts'
import type { HttpRequest, HttpResponse } from '../../../../src/platform/http.ts'
import type { Log } from '../../../../src/platform/log.ts'
import { HubWorld } from '../auth/world.ts'

export const secret = 'a secret of enough characters'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Body
}

/** Whatever a test reads in it. */
// oxlint-disable-next-line typescript/no-explicit-any
type Body = any

export interface CallOptions {
  readonly token?: string | undefined
  readonly body?: unknown
  /** Sent as it is. */
  readonly raw?: Uint8Array | string
  readonly headers?: Readonly<Record<string, string>>
  readonly remoteAddress?: string
}

/** A hub's REST API in virtual time. */
export class RestWorld extends HubWorld {
  /** Whom the relay was told to wake, one list a message. */
  readonly woken: (readonly number[])[] = []
  /** Who has a connection. */
  present: number[] = []
  asleep: number[] = []
  /** Of whom the relay was told that a session was ended. */
  readonly sessionsEnded: number[] = []
  /** What went wrong inside. */
  readonly failures: unknown[] = []
  hubAuth!: Auth
  #rest: ((request: HttpRequest) => Promise<HttpResponse>) | undefined

  static async start(
    options: { readonly auth?: HubAuthOptions } & Partial<Omit<RestDeps, 'auth'>> = {},
  ): Promise<RestWorld> {
    const world = new RestWorld()
    const { auth: authOptions, ...deps } = options
    const log: Log = {
      debug: () => {},
      info: () => {},
      warn: () => {},
      error: (_event, fields) => void world.failures.push(fields?.['error']),
      with: () => log,
    }
    world.hubAuth = await world.auth(authOptions)
    world.#rest = createRest({
      storage: world.storage,
      auth: world.hubAuth,
      clock: world.ports.clock,
      random: world.random,
      log,
      limits: defaultStreamLimits,
      onPublished: (recipients) => void world.woken.push(recipients),
      present: () => world.present,
      isAsleep: (aiId) => world.asleep.includes(aiId),
      onActive: () => {},
      admitLogin: () => ({ kind: 'admitted', settled: () => {} }),
      hasSession: (aiId) => world.present.includes(aiId),
      onSessionEnded: (aiId) => void world.sessionsEnded.push(aiId),
      // Of no account where it is not what is tested.
      requestsPerMinute: 1_000_000,
      ...deps,
    })
    return world
  }

  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const { body, headers, raw, remoteAddress = '192.0.2.1', token } = options
    const content = raw ?? (body === undefined ? '' : JSON.stringify(body))
    const response = await this.settle(
      this.#rest!({
        method,
        path: path.startsWith('/healthz') ? path : `/api/v1${path}`,
        headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
        body: typeof content === 'string' ? Buffer.from(content) : content,
        remoteAddress,
      }),
    )
    return { ...response, body: JSON.parse(Buffer.from(response.body).toString()) }
  }

  /** Registers an agent and logs it in; its access token. */
  async join(name: string, generation?: number): Promise<string> {
    await this.call('POST', '/ai/register', { body: { name, ai_secret: secret } })
    const { body } = await this.call('POST', '/auth/login', {
      body: { ai_name: name, ai_secret: secret, generation },
    })
    return body.token as string
  }

  /** Another process takes the agent over. */
  raiseGeneration(aiId: number, generation: number): void {
    this.database
      .prepare(
        `INSERT INTO holders (ai_id, generation, instance, claim, start, session_id) VALUES (?, ?, 'i', 'c', 1, 's')
         ON CONFLICT (ai_id) DO UPDATE SET generation = excluded.generation`,
      )
      .run(aiId, generation)
  }
}
