import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { openCredentialFile } from '../credentials/credential-file.ts'
import { HubCredentials } from '../credentials/hub-credentials.ts'
import { errorCodes, PerduraError } from '../errors.ts'
import { isJsonObject, textOf, type Json, type JsonObject } from '../json.ts'
import { requestJson, type JsonAnswer } from '../platform/http-json.ts'
import { createNodeLog } from '../platform/node/log.ts'
import { createNodePlatform } from '../platform/node/platform.ts'
import type { Platform } from '../platform/platform.ts'
import { checkAgentName } from '../runtime/home.ts'
import { hubAddress, type HubAddress } from '../session/hub-address.ts'
import type { Call } from './call.ts'

const requestTimeoutMs = 10_000
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
  readonly #address: HubAddress
  readonly #platform: Platform
  readonly #credentials: HubCredentials

  constructor(call: Call, url: string) {
    this.name = call.text('as') ?? defaultName()
    checkAgentName(this.name)
    this.#address = hubAddress(url)
    this.#platform = createNodePlatform()
    const { disk, random, http, clock } = this.#platform
    const path = join(call.home, 'people', this.name, 'credentials')
    this.#credentials = new HubCredentials({
      file: openCredentialFile({ disk, random, path }),
      http,
      clock,
      random,
      log: createNodeLog({ level: 'error' }),
      hub: { addresses: { list: [this.#address], current: this.#address }, pathPrefix: '' },
      name: this.name,
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

  async #ask(
    method: string,
    path: string,
    { headers, body }: { readonly headers?: Record<string, string>; readonly body?: JsonObject } = {},
  ): Promise<JsonObject> {
    const first = await this.#request(method, path, headers, body)
    // A token can be taken back before its time; with another one the question is a new one.
    const answer = first.status === 401 ? await this.#request(method, path, headers, body) : first
    const fields = isJsonObject(answer.body) ? answer.body : {}
    if (answer.status >= 200 && answer.status < 300) return fields
    const code = errorCodes.find((known) => known === fields['code']) ?? 'ERR_HUB_PROTOCOL'
    const error = fields['error']
    throw new PerduraError(
      code,
      typeof error === 'string' ? error : `the hub answered with status ${answer.status}`,
    )
  }

  async #request(
    method: string,
    path: string,
    headers: Record<string, string> | undefined,
    body: JsonObject | undefined,
  ): Promise<JsonAnswer> {
    const { token } = await this.#credentials.access()
    const authorization = `Bearer ${token}`
    const answer = await requestJson(
      this.#platform.http,
      this.#address.rest,
      {
        method,
        path: `/api/v1${path}`,
        headers: { ...headers, authorization },
        ...(body !== undefined && { body }),
      },
      { timeoutMs: requestTimeoutMs },
    )
    if (answer.status === 401) this.#credentials.invalidate(token)
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
