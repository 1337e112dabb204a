import type { Json } from '../json.ts'
import type { HttpRequest, HttpResponse } from '../platform/http.ts'

interface Call {
  readonly request: HttpRequest
  /** The variable parts of the path, decoded. */
  readonly names: readonly string[]
  readonly query: URLSearchParams
}

export interface Route {
  readonly method: 'GET' | 'POST'
  readonly path: RegExp
  /** Needs no token. */
  readonly open?: boolean
  answer(call: Call): Promise<HttpResponse> | HttpResponse
}

export function json(
  status: number,
  body: Json,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', ...headers },
    body: Buffer.from(JSON.stringify(body)),
  }
}
