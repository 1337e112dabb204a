import { type AttemptParts, Attempts, troubleOfError, troubleOfStatus } from './attempts.ts'
import type { Http, HttpAddress, HttpRequest, HttpResponse } from './http.ts'

export interface RetryingHttpOptions extends AttemptParts {
  readonly http: Http
}

/** Makes requests, and makes them again where that may help; only for those that may be repeated. See `Attempts`. */
export class RetryingHttp implements Http {
  readonly #options: RetryingHttpOptions

  constructor(options: RetryingHttpOptions) {
    this.#options = options
  }

  async request(
    address: HttpAddress,
    request: HttpRequest,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<HttpResponse> {
    const { http, budget } = this.#options
    const { signal } = options
    const attempts = new Attempts(this.#options, options.timeoutMs)
    for (;;) {
      try {
        // A timer may come late, and no time at all would be no time-out.
        const timeoutMs = Math.max(1, attempts.timeoutMs)
        const response = await http.request(address, request, { ...options, timeoutMs })
        const trouble = troubleOfStatus(response.status, response.headers)
        if (trouble === undefined) budget.succeeded()
        if (trouble === undefined || !(await attempts.another(trouble, signal))) return response
      } catch (error) {
        const trouble = troubleOfError(error)
        if (trouble === undefined || !(await attempts.another(trouble, signal))) throw error
      }
    }
  }
}
