import { PerduraError, toError } from '../errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../json.ts'
import { errorResponse } from '../platform/http-error.ts'
import type { HttpRequest, HttpResponse } from '../platform/http.ts'
import type { Log } from '../platform/log.ts'
import { childActions, type Children } from './children.ts'
import { controlProtocol } from './record.ts'

export interface ControlOptions {
  readonly children: Children
  readonly describeDaemon: () => JsonObject
  /** Begins to end the daemon; called once the answer is on its way. */
  readonly stop: (options: { readonly keepChildren: boolean }) => void
  readonly log: Log
}

export const protocolHeader = 'perdura-protocol'

/** What is the same in every protocol: a daemon of another version can be looked at, and replaced. */
const timeless = new Set(['GET /v1/daemon', 'POST /v1/stop'])

/** The HTTP interface of the daemon on its control socket; docs/reference/daemon.md describes it. */
export function createControl(options: ControlOptions): (request: HttpRequest) => Promise<HttpResponse> {
  return async (request) => {
    try {
      return await answer(options, request)
    } catch (thrown) {
      if (!(thrown instanceof PerduraError))
        options.log.error('http:request:failed', { method: request.method, error: toError(thrown) })
      const response = errorResponse(thrown)
      return { ...response, headers: { ...response.headers, ...headers } }
    }
  }
}

async function answer(options: ControlOptions, request: HttpRequest): Promise<HttpResponse> {
  const { children } = options
  const [path = ''] = request.path.split('?', 1)
  const method = request.method === 'HEAD' ? 'GET' : request.method
  if (!timeless.has(`${method} ${path}`)) checkProtocol(request)
  switch (`${method} ${path}`) {
    case 'GET /v1/daemon':
      return json(200, options.describeDaemon())
    case 'GET /v1/children':
      return json(200, { children: children.list() })
    case 'POST /v1/reload':
      children.reload()
      return json(202, { reloading: true })
    case 'POST /v1/stop': {
      const keepChildren = bodyOf(request)['keep_agents'] === true
      options.stop({ keepChildren })
      return json(202, { stopping: true, keep_agents: keepChildren })
    }
    default:
  }
  const [, name = '', verb] = /^\/v1\/children\/([^/]{1,200})(?:\/([a-z]{1,20}))?$/.exec(path) ?? []
  const child = decode(name)
  if (method === 'GET' && verb === undefined && child !== '') {
    const shown = children.show(child)
    if (shown !== undefined) return json(200, shown)
    throw new PerduraError('ERR_NO_SUCH_CHILD', `the daemon keeps no ${JSON.stringify(child)} running`)
  }
  const action = childActions.find((known) => known === verb)
  if (method === 'POST' && action !== undefined)
    return json(202, await children.act(child, action, bodyOf(request)))
  throw new PerduraError('ERR_NO_SUCH_ROUTE', `nothing is served as ${method} ${path.slice(0, 100)}`)
}

function checkProtocol({ headers: { [protocolHeader]: asked } }: HttpRequest): void {
  if (asked === String(controlProtocol)) return
  throw new PerduraError(
    'ERR_DAEMON_PROTOCOL',
    `the daemon speaks protocol ${controlProtocol}, and was asked in protocol ${asked ?? '(none)'}: ` +
      'perdura daemon restart replaces it by one of your version; agents go on meanwhile',
    { details: { protocol: controlProtocol } },
  )
}

function bodyOf({ body }: HttpRequest): JsonObject {
  if (body.length === 0) return {}
  let value: Json
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8')) as Json
  } catch (cause) {
    throw new PerduraError('ERR_PAYLOAD_INVALID', 'the body is no JSON', { cause })
  }
  if (isJsonObject(value)) return value
  throw new PerduraError('ERR_PAYLOAD_INVALID', 'the body must be a JSON object')
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch (cause) {
    throw new PerduraError('ERR_NO_SUCH_ROUTE', 'the path is not percent-encoded UTF-8', { cause })
  }
}

const headers = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store',
  [protocolHeader]: String(controlProtocol),
}

function json(status: number, body: Json): HttpResponse {
  return { status, headers, body: Buffer.from(JSON.stringify(body)) }
}
