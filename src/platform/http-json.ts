import { PerduraError } from '../errors.ts'
import type { Json } from '../json.ts'
import type { Http, HttpAddress } from './http.ts'

export interface JsonRequest {
  readonly method: string
  /** Path and query, starting with `/`. */
  readonly path: string
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Json
}

export interface JsonAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Undefined where the answer is not JSON, such as the error page of a proxy. */
  readonly body: Json | undefined
}

/** One exchange with JSON both ways; any status is an answer. Rejects as `Http.request` does. */
export async function requestJson(
  http: Http,
  address: HttpAddress,
  { method, path, headers = {}, body }: JsonRequest,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<JsonAnswer> {
  const { timeoutMs, signal } = options
  const sent = body === undefined ? {} : { 'content-type': 'application/json' }
  const request = {
    method,
    path,
    headers: { accept: 'application/json', ...sent, ...headers },
    body: body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(body)),
  }
  const bounds = { timeoutMs, ...(signal !== undefined && { signal }) }
  const response = await http.request(address, request, bounds)
  return { status: response.status, headers: response.headers, body: jsonOf(response.body) }
}

/** A server as a person names it: where it is, and what its paths begin with. */
export interface HttpUrl {
  readonly address: { readonly host: string; readonly port: number; readonly tls: boolean }
  /** Empty, or `/` and more, without a slash at the end. */
  readonly pathPrefix: string
  /** The same server's one spelling, such as `http://127.0.0.1:8767`; the WebSocket schemes count as those of HTTP. */
  readonly key: string
}

const schemes: Readonly<Record<string, { readonly tls: boolean; readonly port: number }>> = {
  'http:': { tls: false, port: 80 },
  'ws:': { tls: false, port: 80 },
  'https:': { tls: true, port: 443 },
  'wss:': { tls: true, port: 443 },
}

/** Throws ERR_USAGE for what is not the address of a server. The text is never repeated: it may hold a password. */
export function parseHttpUrl(text: string): HttpUrl {
  const url = URL.parse(text)
  if (url === null) throw unusable('write it as a URL, such as http://127.0.0.1:8767')
  const scheme = schemes[url.protocol]
  if (scheme === undefined) throw unusable('it must begin with http://, https://, ws:// or wss://')
  if (url.username !== '' || url.password !== '') throw unusable('it must not hold a user name or a password')
  if (/[?#]/.test(text)) throw unusable('it must end before "?" and "#"')
  const port = url.port === '' ? scheme.port : Number(url.port)
  if (port === 0) throw unusable('port 0 cannot be connected to')
  const pathPrefix = url.pathname.replace(/\/+$/, '')
  return {
    // URLs have IPv6 addresses in brackets, sockets have them without.
    address: { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port, tls: scheme.tls },
    pathPrefix,
    key: `${scheme.tls ? 'https' : 'http'}://${url.hostname}:${port}${pathPrefix}`,
  }
}

function jsonOf(bytes: Uint8Array): Json | undefined {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as Json
  } catch {
    return undefined
  }
}

function unusable(what: string): PerduraError {
  return new PerduraError('ERR_USAGE', `the address of the server cannot be used: ${what}`)
}
