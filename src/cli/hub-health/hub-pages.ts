import { PerduraError } from '../../errors.ts'
import { expositionType } from '../../health/metrics/exposition.ts'
import { reportJson } from '../../health/report-json.ts'
import { errorResponse } from '../../platform/http-error.ts'
import type { HttpRequest, HttpResponse } from '../../platform/http.ts'
import { isLoopback } from '../../platform/loopback.ts'
import { checkToken, refuseBrowsers } from '../../runtime/request.ts'
import { json } from '../../runtime/route.ts'
import type { HubHealth } from './hub-health.ts'

export interface HubPagesOptions {
  readonly health: HubHealth
  readonly metrics: () => Promise<string>
  /** Who shows it gets the metrics from anywhere, and nobody else over TCP. */
  readonly token: string | undefined
}

type Pages = (request: HttpRequest) => Promise<HttpResponse> | undefined

/**
 * What a hub serves about itself on its addresses. That it is ready, anybody may know, as load balancers must. Why not, and
 * what it measures, are facts about its operation: for who is on this machine, and is no web page and no proxy.
 */
export function hubPages({ health, metrics, token }: HubPagesOptions): Pages {
  return (request) => {
    const [path] = request.path.split('?', 1)
    if (path === '/readyz') return guarded(request, async () => ready(health, isLocal(request)))
    if (path !== '/metrics') return undefined
    if (token === undefined && !isLocal(request)) return undefined
    return guarded(request, async () => {
      if (token !== undefined) checkToken(request, token)
      return page(await metrics())
    })
  }
}

/** The same and more for the owner, on a Unix socket. */
export function hubOwnerPages({ health, metrics }: Omit<HubPagesOptions, 'token'>) {
  return async (request: HttpRequest): Promise<HttpResponse> => {
    const [path] = request.path.split('?', 1)
    return await guarded(request, async () => {
      refuseBrowsers(request, { checkHost: false })
      switch (path) {
        case '/healthz':
          return json(200, { success: true, status: 'ok', health: health.report.state })
        case '/readyz':
          return ready(health, true)
        case '/metrics':
          return page(await metrics())
        case '/v1/health':
          return json(200, reportJson(health))
        default:
          throw new PerduraError('ERR_NO_SUCH_ROUTE', 'nothing is served there')
      }
    })
  }
}

function ready({ report: { notReady } }: HubHealth, local: boolean): HttpResponse {
  const isReady = notReady.length === 0
  return json(isReady ? 200 : 503, { ready: isReady, ...(local && { reasons: notReady }) })
}

/** Headers that a proxy adds: who comes through one may be anywhere, whatever the address says. */
const forwardedBy = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via']

function isLocal(request: HttpRequest): boolean {
  if (!isLoopback(request.remoteAddress ?? '') || forwardedBy.some((name) => name in request.headers))
    return false
  try {
    refuseBrowsers(request, { checkHost: true })
    return true
  } catch {
    return false
  }
}

async function guarded(request: HttpRequest, answer: () => Promise<HttpResponse>): Promise<HttpResponse> {
  try {
    if (request.method === 'GET' || request.method === 'HEAD') return await answer()
    const refusal = errorResponse(new PerduraError('ERR_METHOD', 'this takes GET'))
    return { ...refusal, headers: { ...refusal.headers, allow: 'GET' } }
  } catch (error) {
    const response = errorResponse(error)
    const asks = response.status === 401 ? { 'www-authenticate': 'Bearer' } : {}
    return { ...response, headers: { ...response.headers, ...asks, 'cache-control': 'no-store' } }
  }
}

function page(text: string): HttpResponse {
  return {
    status: 200,
    headers: { 'content-type': expositionType, 'cache-control': 'no-store' },
    body: Buffer.from(text),
  }
}
