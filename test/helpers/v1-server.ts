import type { JsonObject } from '../../src/json.ts'
import type { Clock, Timer } from '../../src/platform/clock.ts'
import type { HttpRequest, HttpResponse } from '../../src/platform/http.ts'
import type { Connection, ConnectionSink, Upgrade } from '../../src/platform/transport.ts'
import { timeText, V1Database } from './v1-server-database.ts'
import { V1Presence, type V1Times } from './v1-server-presence.ts'
import { v1Routes, type V1Answer } from './v1-server-routes.ts'
import { signV1, verifyV1, type V1Claims } from './v1-server-tokens.ts'

export interface V1ServerOptions extends Partial<V1Times> {
  readonly clock: Clock
  /** Kept when the server is started again. */
  readonly database?: V1Database
  /** Seconds. Default 3,600. */
  readonly tokenTtlS?: number
  /** Requests beyond which a minute has too many. Default 100. */
  readonly requestsMax?: number
  /** How often it looks who is there. Default a minute. */
  readonly checkMs?: number
}

const refreshTtlS = 604_800
const minute = 60_000

/**
 * A plain CloudBrain v1 server, with what is odd about it: pushes nothing, hangs up on `ping`, takes tokens in the query
 * only, says no after having said 101, answers 401 when its database is away, forgets who is there, and counts the logins
 * of everybody together.
 */
export class V1Server {
  readonly database: V1Database
  readonly presence: V1Presence
  /** What came in, by method and path without the query; frames as `frame type`. */
  readonly seen = new Map<string, number>()
  readonly #options: V1ServerOptions
  readonly #connections = new Set<Connection>()
  #timer: Timer

  constructor(options: V1ServerOptions) {
    const {
      staleMs = 15 * minute,
      graceMs = 2 * minute,
      maxSleepMs = 60 * minute,
      checkMs = minute,
    } = options
    this.#options = options
    this.database = options.database ?? new V1Database()
    this.presence = new V1Presence({ staleMs, graceMs, maxSleepMs })
    const check = (): void => {
      const { clock } = options
      this.presence.check(clock.monotonicMs(), timeText(clock.now() * 1_000, ''))
      this.#timer = clock.setTimer(checkMs, check)
    }
    this.#timer = options.clock.setTimer(checkMs, check)
  }

  /** Its process dies: who was there is forgotten. */
  stop(): void {
    this.#timer.cancel()
    for (const connection of this.#connections) connection.terminate()
  }

  readonly handle = async (request: HttpRequest): Promise<HttpResponse> => {
    const url = new URL(request.path, 'http://v1')
    this.#count(`${request.method} ${url.pathname}`)
    const path = url.pathname.replace(/^\/api\/v1/, '')
    const bearer = /^Bearer (.*)$/.exec(request.headers['authorization'] ?? '')?.[1]
    const body = bodyOf(request)
    if (url.pathname.startsWith('/api/v1/auth/')) {
      if (this.#isOverLimit('anonymous', path)) return tooMany()
      return this.#auth(request.method, path, { bearer, body })
    }
    const claims = this.#claimsOf(bearer)
    if (claims === undefined) return json(401, { success: false, error: 'Invalid or expired token' })
    if (this.#isOverLimit(String(claims.ai_id), path)) return tooMany()
    const there = v1Routes.filter(({ pattern }) => pattern.test(path))
    const route = there.find(({ method }) => method === request.method)
    if (route === undefined)
      return there.length === 0 ? text(404, '404: Not Found') : text(405, '405: Method Not Allowed')
    const { database } = this
    const nowMs = this.#options.clock.now()
    try {
      const id = route.pattern.exec(path)?.[1] ?? ''
      return answer(route.handle({ database, nowMs, claims, query: url.searchParams, id, body }))
    } catch {
      return json(500, { success: false, error: route.failure })
    }
  }

  readonly accept = (
    { path }: Upgrade,
    connection: Connection,
  ): ConnectionSink | { readonly status: number } => {
    const url = new URL(path, 'http://v1')
    const stream = /^\/ws\/v1\/(connect|messages|collaboration|session)$/.exec(url.pathname)?.[1]
    if (stream === undefined) return { status: 404 }
    // Any kind of token will do, and a revoked one too.
    const claims = verifyV1(url.searchParams.get('token') ?? '', this.#options.clock.now())
    this.#count('upgrade')
    return this.#sink(connection, stream, claims)
  }

  #sink(connection: Connection, stream: string, claims: V1Claims | undefined): ConnectionSink {
    const { clock } = this.#options
    return {
      onOpen: () => {
        this.#connections.add(connection)
        if (claims === undefined) {
          connection.send('{"type":"error","error":"Authentication failed"}')
          connection.close(1000, '')
          return
        }
        const { ai_id: id, ai_name: name } = claims
        this.presence.enter(id, connection, clock.monotonicMs())
        const timestamp = timeText(clock.now() * 1_000, '')
        const first =
          stream === 'connect'
            ? { type: 'connected', ai_id: id, ai_name: name, timestamp }
            : { type: 'subscribed', stream, ai_id: id, timestamp }
        connection.send(JSON.stringify(first))
      },
      onFrame: (frame) => {
        const type = frameType(frame)
        this.#count(`frame ${type ?? 'unreadable'}`)
        if (type === undefined || type === 'ping') connection.close(1000, '')
        else if (type === 'subscribe' && stream === 'connect' && claims !== undefined) {
          this.presence.heartbeat(claims.ai_id, clock.monotonicMs())
        }
      },
      onClose: () => {
        this.#connections.delete(connection)
        if (claims !== undefined) this.presence.leave(claims.ai_id)
      },
    }
  }

  #auth(
    method: string,
    path: string,
    { bearer, body }: { readonly bearer: string | undefined; readonly body: JsonObject | undefined },
  ): HttpResponse {
    if (method !== 'POST') return text(405, '405: Method Not Allowed')
    if (path === '/auth/login') return this.#login(body)
    if (path === '/auth/refresh') return this.#refresh(body)
    if (path === '/auth/logout') {
      const token = this.database.tokens.get(bearer ?? '')
      if (token !== undefined) token.revoked = true
      return json(200, { success: true, message: 'Logged out successfully' })
    }
    return text(404, '404: Not Found')
  }

  #login(body: JsonObject | undefined): HttpResponse {
    const { database } = this
    if (body === undefined || database.isDown) return json(500, { success: false, error: 'Login failed' })
    const { ai_name: name, ai_nickname: nickname, ai_id: wanted } = body
    if (typeof name !== 'string' || name === '' || typeof nickname !== 'string' || nickname === '') {
      return json(400, { success: false, error: 'Missing required fields: ai_name, ai_nickname' })
    }
    const nowMs = this.#options.clock.now()
    // A number is taken for what it says: whoever names it has it.
    const id = wanted ? wanted : database.profile(name, nowMs).id
    if (database.byId(id) === undefined) return json(404, { success: false, error: 'AI not found' })
    const tokens = this.#tokens({ ai_id: id as number, ai_name: name, ai_nickname: nickname })
    if (!database.tokens.has(tokens.token)) database.tokens.set(tokens.token, { revoked: false })
    return json(200, { success: true, ...tokens, ai_id: id, ai_name: name, ai_nickname: nickname })
  }

  /** Needs no database, and stores nothing. */
  #refresh(body: JsonObject | undefined): HttpResponse {
    const token = body?.['refresh_token']
    if (typeof token !== 'string') return json(400, { success: false, error: 'Missing refresh_token' })
    const claims = verifyV1(token, this.#options.clock.now())
    if (claims?.type !== 'refresh') {
      return json(401, { success: false, error: 'Invalid or expired refresh token' })
    }
    const { ai_id, ai_name, ai_nickname } = claims
    return json(200, { success: true, ...this.#tokens({ ai_id, ai_name, ai_nickname }) })
  }

  #tokens(who: Pick<V1Claims, 'ai_id' | 'ai_name' | 'ai_nickname'>): {
    token: string
    refresh_token: string
    expires_in: number
  } {
    const { clock, tokenTtlS = 3_600 } = this.#options
    const iat = Math.floor(clock.now() / 1_000)
    return {
      token: signV1({ ...who, type: 'access', iat, exp: iat + tokenTtlS }),
      refresh_token: signV1({ ...who, type: 'refresh', iat, exp: iat + refreshTtlS }),
      expires_in: tokenTtlS,
    }
  }

  #claimsOf(token: string | undefined): V1Claims | undefined {
    // Whether it was revoked cannot be read.
    if (token === undefined || this.database.isDown) return undefined
    const claims = verifyV1(token, this.#options.clock.now())
    const isRevoked = this.database.tokens.get(token)?.revoked ?? false
    return claims?.type === 'access' && !isRevoked ? claims : undefined
  }

  #isOverLimit(who: string, path: string): boolean {
    const { clock, requestsMax = 100 } = this.#options
    const nowMs = clock.monotonicMs()
    const recent = (this.database.requests.get(who) ?? []).filter((atMs) => nowMs - atMs < minute)
    if (recent.length > requestsMax) {
      this.#count(`429 ${path}`)
      return true
    }
    this.database.requests.set(who, [...recent, nowMs])
    return false
  }

  #count(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1)
  }
}

function bodyOf({ body }: HttpRequest): JsonObject | undefined {
  try {
    const value = JSON.parse(Buffer.from(body).toString()) as unknown
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject && body.length <= 1_048_576 ? (value as JsonObject) : undefined
  } catch {
    return undefined
  }
}

function frameType(frame: string): string | undefined {
  try {
    const value = JSON.parse(frame) as { type?: unknown } | null
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? String(value.type)
      : undefined
  } catch {
    return undefined
  }
}

function answer([status, body]: V1Answer): HttpResponse {
  return json(status, { success: status === 200, ...body })
}

function tooMany(): HttpResponse {
  return json(429, { success: false, error: 'Rate limit exceeded', retry_after: 60 })
}

function json(status: number, body: JsonObject): HttpResponse {
  // As Python's json does, everything that is not ASCII is escaped.
  const escaped = JSON.stringify(body).replaceAll(
    /[^\0-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: Buffer.from(escaped),
  }
}

function text(status: number, body: string): HttpResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: Buffer.from(body) }
}
