import { PerduraError, toError } from '../../errors.ts'
import { errorResponse } from '../../platform/http-error.ts'
import type { HttpRequest, HttpResponse } from '../../platform/http.ts'
import type { Admitted } from '../admission/admission.ts'
import { bearerOf } from '../auth/bearer.ts'
import { agentRoutes } from './agent-routes.ts'
import { authRoutes } from './auth-routes.ts'
import { messageRoutes } from './message-routes.ts'
import { Query } from './query.ts'
import { OpenRateLimit, RateLimit } from './rate-limit.ts'
import { json, type RestDeps, type Route, success } from './route.ts'
import { sessionRoutes } from './session-routes.ts'

const prefix = '/api/v1'

/** Seconds after which a request may be made again that failed for want of the hub, not of the caller. */
const retryAfterS = 1

/** The hub's REST API as a function from request to answer. It always answers, and nothing that a caller sends is a 5xx. */
export function createRest(deps: RestDeps): (request: HttpRequest) => Promise<HttpResponse> {
  const routes = [...authRoutes(deps), ...agentRoutes(deps), ...sessionRoutes(deps), ...messageRoutes(deps)]
  const { auth, clock, log, requestsPerMinute = 600 } = deps
  if (!(requestsPerMinute >= 1)) throw new PerduraError('ERR_USAGE', 'requestsPerMinute: at least 1')
  const limits = {
    agent: new RateLimit(clock, requestsPerMinute),
    open: new OpenRateLimit(clock, requestsPerMinute),
  }

  return async (request) => {
    const headers: Record<string, string> = {}
    try {
      const [path, query] = splitQuery(request.path)
      if (path === '/healthz') return health(request)
      const { names, route } = findRoute(routes, request.method, path, headers)
      const call = { request, names, query: new Query(query) }
      if (route.access === 'open') {
        const subject = route.subjectOf?.(request)
        const address = request.remoteAddress ?? ''
        const entry = route.entryOf?.(request)
        limits.open.take(
          { address, route: route.path.source, ...(subject && { subject }), isEntry: entry !== undefined },
          headers,
        )
        if (entry !== undefined) admit(deps.admitLogin({ ...entry, address }))
        try {
          return withHeaders(success(await route.answer(call)), headers)
        } catch (error) {
          const isRefused = error instanceof PerduraError && !error.retryable
          if (entry !== undefined && isRefused) limits.open.failed({ address, route: route.path.source })
          throw error
        }
      }
      const agent = await auth.authenticate(bearerOf(request.headers) ?? missingToken())
      limits.agent.take(String(agent.aiId), headers)
      deps.onActive(agent.aiId)
      return withHeaders(success(await route.answer(call, agent)), headers)
    } catch (thrown) {
      // What went wrong inside is for the log: the caller learns only that it was not the caller's fault.
      if (!(thrown instanceof PerduraError)) {
        log.error('rest:request:failed', { method: request.method, error: toError(thrown) })
      }
      return withHeaders(failure(thrown), headers)
    }
  }
}

function admit(answer: Admitted): void {
  if (answer.kind === 'admitted') return
  const { why, waitMs } = answer
  const details = { retry_after: Math.ceil(waitMs / 1_000), retry_after_ms: Math.ceil(waitMs) }
  if (why === 'often') throw new PerduraError('ERR_RATE_LIMIT', 'too many logins from here', { details })
  throw new PerduraError('ERR_HUB_BUSY', 'more want to log in than the hub can take now: wait', { details })
}

function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
  headers: Record<string, string>,
): { readonly route: Route; readonly names: string[] } {
  const rest = path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : ''
  // The first that matches is meant: literal paths stand before the variable ones that they would match too.
  const pattern = routes.find((candidate) => candidate.path.test(rest))?.path.source
  if (pattern === undefined) {
    throw new PerduraError('ERR_NO_SUCH_ROUTE', `nothing is served under ${path.slice(0, 100)}`)
  }
  const matches = routes.filter((candidate) => candidate.path.source === pattern)
  // HEAD is GET without the body, which the server leaves out (RFC 9110 9.3.2).
  const wanted = method === 'HEAD' ? 'GET' : method
  const route = matches.find((candidate) => candidate.method === wanted)
  if (route === undefined) {
    headers['allow'] = matches.map((candidate) => candidate.method).join(', ')
    throw new PerduraError('ERR_METHOD', `${path.slice(0, 100)} takes ${headers['allow']}`)
  }
  const names = (route.path.exec(rest) ?? []).slice(1)
  return { route, names: names.map(decodeSegment) }
}

function failure(thrown: unknown): HttpResponse {
  const response = errorResponse(thrown)
  const error = thrown instanceof PerduraError ? thrown : undefined
  const given = error?.details['retry_after']
  const afterMs = error?.details['retry_after_ms']
  const waits = error?.retryable === true && (response.status === 429 || response.status === 503)
  const after = typeof given === 'number' ? given : waits ? retryAfterS : undefined
  return {
    ...response,
    headers: {
      ...response.headers,
      'cache-control': 'no-store',
      ...(after === undefined ? {} : { 'retry-after': String(after) }),
      ...(typeof afterMs === 'number' ? { 'retry-after-ms': String(afterMs) } : {}),
      ...(response.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    },
    body: after === undefined ? response.body : addRetryAfter(response.body, after),
  }
}

/** v1 clients read it from the body. */
function addRetryAfter(body: Uint8Array, seconds: number): Uint8Array {
  const fields = JSON.parse(Buffer.from(body).toString()) as object
  return Buffer.from(JSON.stringify({ ...fields, retry_after: seconds }))
}

function health(request: HttpRequest): HttpResponse {
  if (request.method === 'GET' || request.method === 'HEAD') return json(200, { success: true, status: 'ok' })
  return withHeaders(failure(new PerduraError('ERR_METHOD', '/healthz takes GET')), { allow: 'GET' })
}

function withHeaders(response: HttpResponse, headers: Readonly<Record<string, string>>): HttpResponse {
  return { ...response, headers: { ...response.headers, ...headers } }
}

function splitQuery(path: string): [string, string] {
  const at = path.indexOf('?')
  return at < 0 ? [path, ''] : [path.slice(0, at), path.slice(at + 1)]
}

function decodeSegment(segment: string): string {
  let text: string | undefined
  try {
    text = decodeURIComponent(segment)
  } catch {}
  if (text !== undefined && !text.includes('\0')) return text
  throw new PerduraError('ERR_REQUEST_INVALID', 'the path is not percent-encoded UTF-8, or contains NUL')
}

function missingToken(): never {
  throw new PerduraError('ERR_TOKEN', 'send an access token as "Authorization: Bearer …": log in to get one')
}
