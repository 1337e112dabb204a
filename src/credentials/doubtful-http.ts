import { PerduraError } from '../errors.ts'
import type { Http, HttpAddress, HttpRequest, HttpResponse } from '../platform/http.ts'

/** Counts requests that the server may have acted on: what it refused, and what did not reach it, does not count. */
export class DoubtfulHttp implements Http {
  #doubts = 0
  readonly #http: Http

  constructor(http: Http) {
    this.#http = http
  }

  get doubts(): number {
    return this.#doubts
  }

  async request(
    address: HttpAddress,
    request: HttpRequest,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<HttpResponse> {
    this.#doubts += 1
    try {
      const response = await this.#http.request(address, request, options)
      const { status } = response
      if (status >= 400 && status < 500 && status !== 408 && status !== 425) this.#doubts -= 1
      return response
    } catch (error) {
      // There was no connection, so nothing can have been done.
      if (error instanceof PerduraError && error.details['reason'] === 'refused') this.#doubts -= 1
      throw error
    }
  }
}
