import { PerduraError } from '../errors.ts'
import { isJsonObject, type Json } from '../json.ts'
import type { Disk } from '../platform/disk.ts'
import type { Http, HttpResponse } from '../platform/http.ts'
import type { Verdict } from '../queue/outbox.ts'
import { agentExists, agentPaths } from './home.ts'
import { readProcessRecord } from './process-record.ts'

/** A committed message on its way to another agent. */
export interface OutgoingMessage {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly conversation: string
  readonly content: Json
  readonly hops: number
  readonly inReplyTo: string | undefined
}

export interface LocalDeliveryOptions {
  readonly home: string
  readonly disk: Disk
  readonly http: Http
  /** Time for one attempt, ms. Default 10,000. Too short a time makes repeats of what a slow disk still takes in. */
  readonly timeoutMs?: number
}

/** Delivers to agents of the same home, through their control sockets. */
export class LocalDelivery {
  readonly #options: LocalDeliveryOptions

  constructor(options: LocalDeliveryOptions) {
    this.#options = options
  }

  /**
   * Never rejects. `delivered` once the recipient has it on disk, `refused` where trying again would change nothing,
   * `retry` otherwise: also when only the answer was lost, because the recipient recognises the repeat.
   */
  async deliver(message: OutgoingMessage): Promise<Verdict> {
    const { home, disk, http, timeoutMs = 10_000 } = this.#options
    if (!agentExists(disk, home, message.to)) {
      return { verdict: 'refused', error: `ERR_RECIPIENT: there is no agent "${message.to}" here` }
    }
    const paths = agentPaths(home, message.to)
    const record = readProcessRecord(disk, paths.processRecord)
    if (record === undefined)
      return { verdict: 'retry', error: `ERR_NOT_RUNNING: ${message.to} is not running` }
    try {
      const response = await http.request(
        { socketPath: record.controlSocket },
        {
          method: 'POST',
          path: '/v1/messages',
          headers: { 'content-type': 'application/json' },
          body: Buffer.from(
            JSON.stringify({
              id: message.id,
              from: message.from,
              conversation: message.conversation,
              payload: message.content,
              in_reply_to: message.inReplyTo ?? null,
              hops: message.hops,
            }),
          ),
        },
        { timeoutMs },
      )
      return verdictOf(response)
    } catch (cause) {
      if (cause instanceof PerduraError && !cause.retryable)
        return { verdict: 'refused', error: describe(cause) }
      return { verdict: 'retry', error: `ERR_NOT_RUNNING: ${message.to} does not answer`, isOpen: true }
    }
  }
}

function verdictOf(response: HttpResponse): Verdict {
  if (response.status >= 200 && response.status < 300) return { verdict: 'delivered' }
  const error = errorOf(response)
  const mayPass = response.status === 429 || response.status === 408 || response.status >= 500
  if (!mayPass) return { verdict: 'refused', error }
  // Of what is said not to have been taken it is certain.
  const isOpen = response.status !== 429 && response.status !== 503
  return { verdict: 'retry', error, ...(isOpen && { isOpen }) }
}

function errorOf(response: HttpResponse): string {
  try {
    const body = JSON.parse(Buffer.from(response.body).toString('utf8')) as Json
    const { code, error } = isJsonObject(body) ? body : {}
    if (typeof code === 'string' && typeof error === 'string') return `${code}: ${error}`
  } catch {
    // Not one of our answers; its status must do.
  }
  return `ERR_INTERNAL: answered ${response.status}`
}

function describe(error: PerduraError): string {
  return `${error.code}: ${error.message}`
}
