import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { HubCredentials } from '../credentials/hub-credentials.ts'
import { PerduraError, toError } from '../errors.ts'
import { isJsonObject, textOf, type Json, type JsonObject } from '../json.ts'
import type { JsonAnswer, JsonRequest } from '../platform/http-json.ts'
import type { Http } from '../platform/http.ts'
import { createNodeLog } from '../platform/node/log.ts'
import { createNodePlatform } from '../platform/node/platform.ts'
import { RetryBudget } from '../platform/retry-budget.ts'
import { RetryingHttp } from '../platform/retrying-http.ts'
import { checkAgentName } from '../runtime/home.ts'
import { answerOf, requestAs } from '../runtime/hub/ask-hub.ts'
import { createHubCredentials, openCredentials } from '../runtime/hub/open-credentials.ts'
import { hubAddressList } from '../session/hub-address.ts'
import { HubAddresses, type NextAttempt } from '../session/hub-addresses.ts'
import type { Call } from './call.ts'

const pageMax = 100

/** A message as its recipient has it at the hub. */
export interface HubMessage {
  /** Its number at the hub. */
  readonly number: number
  readonly from: string
  readonly text: string
  readonly content: Json
  readonly inReplyTo: string | undefined
}

/**
 * A person at a hub: a name of its own with a key of its own, kept in `people/<name>` of the home. It asks over REST; an
 * agent on this machine is talked to without it.
 */
export class HubClient {
  readonly name: string
  readonly #addresses: HubAddresses
  readonly #http: Http
  readonly #retries = new RetryBudget()
  readonly #credentials: HubCredentials

  constructor(call: Call, url: string) {
    this.name = call.text('as') ?? defaultName()
    checkAgentName(this.name)
    const log = createNodeLog({ level: 'error' })
    const platform = createNodePlatform()
    const { random, http, clock } = platform
    const addresses = new HubAddresses({ list: hubAddressList(url), clock, log })
    this.#addresses = addresses
    // Whatever is asked here may be asked again: what writes has an id, or is the same the second time.
    this.#http = new RetryingHttp({ http, clock, random, budget: this.#retries })
    const path = join(call.home, 'people', this.name, 'credentials')
    this.#credentials = createHubCredentials({
      platform,
      file: openCredentials({ platform, home: call.home, path, log }),
      addresses,
      name: this.name,
      log,
      trustNewHub: call.flag('trust-new-hub'),
    })
  }

  /** Resolves when the hub has the message on disk; the same id again is the same message. */
  async send(to: string, text: string, id: string, conversation?: string): Promise<{ duplicate: boolean }> {
    const body = {
      recipient_name: to,
      content: text,
      ...(conversation === undefined ? {} : { conversation_id: conversation }),
    }
    const answer = await this.#ask('POST', '/message/send', { headers: { 'idempotency-key': id }, body })
    return { duplicate: answer['duplicate'] === true }
  }

  /** Messages that have not been marked as read, after a number, oldest first. */
  async unread(after: number): Promise<HubMessage[]> {
    const query = `status=unread&limit=${pageMax}&after_id=${after}`
    const { messages } = await this.#ask('GET', `/message/inbox?${query}`)
    return Array.isArray(messages) ? messages.flatMap((message: Json) => messageOf(message) ?? []) : []
  }

  async markRead({ number }: HubMessage): Promise<void> {
    await this.#ask('PUT', `/message/${number}/read`)
  }

  async close(): Promise<void> {
    await this.#credentials.close()
  }

  #ask(
    method: string,
    path: string,
    { headers, body }: { readonly headers?: Record<string, string>; readonly body?: JsonObject } = {},
  ): Promise<JsonObject> {
    const call = {
      method,
      path: `/api/v1${path}`,
      ...(headers !== undefined && { headers }),
      ...(body !== undefined && { body }),
    }
    return answerOf(
      () => this.#request(call),
      () => this.#retries.note,
    )
  }

  /** At the address that works: the others are tried at once where one gives no answer, or is another hub's. */
  async #request(call: JsonRequest): Promise<JsonAnswer> {
    for (;;) {
      try {
        return await this.#requestHere(call)
      } catch (thrown) {
        const error = toError(thrown)
        const next = this.#afterFailure(error)
        if (next === undefined || next.isNewRound) throw error
      }
    }
  }

  #afterFailure(error: Error): NextAttempt | undefined {
    const { code } = error as { readonly code?: unknown }
    if (code === 'ERR_HUB_IDENTITY') return this.#addresses.refused(error.message)
    const isSilent = code === 'ERR_HTTP_UNREACHABLE' || code === 'ERR_HUB_UNREACHABLE'
    return isSilent ? this.#addresses.failed({ why: error.message }) : undefined
  }

  async #requestHere(call: JsonRequest): Promise<JsonAnswer> {
    const caller = { http: this.#http, credentials: this.#credentials }
    const answer = await requestAs(caller, this.#addresses.current.rest, call)
    this.#addresses.succeeded()
    return answer
  }
}

/** Sends until the hub says that it has it: a lost answer is no reason to send another message. */
export async function sendThroughHub(
  client: HubClient,
  message: {
    readonly to: string
    readonly text: string
    readonly id?: string | undefined
    readonly conversation?: string | undefined
  },
  deadlineMs: number,
): Promise<{ readonly id: string; readonly duplicate: boolean }> {
  const { to, text, id = randomUUID(), conversation } = message
  for (let pauseMs = 100; ; pauseMs = Math.min(2_000, pauseMs * 2)) {
    try {
      return { id, ...(await client.send(to, text, id, conversation)) }
    } catch (error) {
      if (!(error instanceof PerduraError && error.retryable)) throw error
      if (error.code === 'ERR_RECIPIENT_FULL' || performance.now() + pauseMs > deadlineMs) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

/** What the system calls the person. */
function defaultName(): string {
  try {
    const { username } = userInfo()
    return /^[A-Za-z0-9][\w-]{0,63}$/.test(username) ? username : 'guest'
  } catch {
    return 'guest'
  }
}

function messageOf(value: Json): HubMessage | undefined {
  if (!isJsonObject(value)) return undefined
  const { id, sender_name: from, content = null, metadata } = value
  if (typeof id !== 'number') return undefined
  const inReplyTo = isJsonObject(metadata) ? metadata['in_reply_to'] : undefined
  return {
    number: id,
    from: typeof from === 'string' ? from : '',
    text: textOf(content),
    content,
    inReplyTo: typeof inReplyTo === 'string' ? inReplyTo : undefined,
  }
}
