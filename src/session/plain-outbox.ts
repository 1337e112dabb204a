import { toError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import { sleep, type Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { Random } from '../platform/random.ts'
import { isCleanText } from '../protocol/content.ts'
import { parse } from '../protocol/parse.ts'
import {
  plainErrorAnswer,
  plainMessage,
  plainPage,
  plainProfileAnswer,
  plainSentAnswer,
  type PlainMessage,
} from '../protocol/plain-server.ts'
import { backoffMs } from './backoff.ts'
import { contentText, markerOf } from './plain-marker.ts'
import type { PlainNames } from './plain-names.ts'
import type { PlainRest } from './plain-rest.ts'
import type { PlainOutbound, PlainStore } from './plain-store.ts'

export interface PlainOutboxOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly store: Pick<PlainStore, 'next' | 'sentNumber' | 'ask' | 'settle'>
  readonly rest: PlainRest
  readonly names: PlainNames
  /** Who sends: its number there, and the agent's name. */
  readonly sender: { readonly id: number; readonly name: string }
  readonly signal: AbortSignal
  /** A message is with the server. */
  readonly onSent: () => void
}

const pageSize = 20
/** Pages of `sent` that are looked through; a message that was asked for is among the newest. */
const looksMax = 500
/** After so long, a request that got no answer is not on its way any more: its own time-out and as much again, twice. */
const inFlightMs = 30_000
/** Times that a server which is well otherwise may fail with a message before the message is taken for the cause. */
const failuresMax = 5
const bodyBytesMax = 1_000_000

/**
 * Sends what is committed to the outbox through a plain v1 server, in order and one at a time. The server does not know
 * repeats, so before anything is sent it is noted here that it will be, and whatever bears that note is looked for in
 * `sent` first, by the marker in its subject. What is not found is sent again, but not before the last request that got
 * no answer can no longer be on its way: it might arrive between the look and the next request.
 */
export class PlainOutbox {
  readonly #options: PlainOutboxOptions
  #wake: (() => void) | undefined
  /** When the last request that may still arrive was given up; after a start, that of the process before. */
  #lostMs: number
  #failed = { sequence: 0, count: 0 }

  constructor(options: PlainOutboxOptions) {
    this.#options = options
    this.#lostMs = options.clock.monotonicMs()
    options.signal.addEventListener('abort', () => this.#wake?.())
  }

  /** Something has been committed to the outbox. */
  look(): void {
    this.#wake?.()
  }

  /** Sends until its signal aborts; resolves when nothing is being written any more. */
  async run(): Promise<void> {
    const { clock, random, log, store, signal } = this.#options
    let failures = 0
    while (!signal.aborted) {
      const message = store.next()
      if (message === undefined) {
        await new Promise<void>((resolve) => (this.#wake = resolve))
        continue
      }
      let waitMs: number
      try {
        waitMs = await this.#send(message)
        failures = 0
      } catch (thrown) {
        if (signal.aborted) return
        log.warn('session:outbox:failed', { id: message.id, error: toError(thrown) })
        waitMs = backoffMs(failures++, random)
      }
      if (waitMs > 0) await sleep(clock, waitMs, signal)
    }
  }

  /** Brings one message a step further; returns how long to wait, ms. Throws where it should be tried again later. */
  async #send(message: PlainOutbound): Promise<number> {
    const { clock, names, sender, signal, store } = this.#options
    const subject = markerOf(message, sender)
    const content = contentText(message.content)
    if (message.asked) {
      const found = await this.#find(subject)
      if (found !== undefined) return this.#sent(message, found.id)
      const restMs = this.#lostMs + inFlightMs - clock.monotonicMs()
      if (restMs > 0) return restMs
    }
    // What these do to the server is known; asking it would be a failure for ever, and block everything behind.
    const problem = problemOf(content)
    if (problem !== undefined) return this.#refuse(message, problem)
    const recipient = await names.idOf(message.recipient, signal)
    if (recipient === undefined) {
      return this.#refuse(
        message,
        `ERR_NO_SUCH_PROFILE: nobody is called "${message.recipient}" at this server`,
      )
    }
    if (!message.asked) {
      const isAsked = await store.ask(message.sequence, store.sentNumber() ?? (await this.#top()))
      if (!isAsked) return 0
    }
    return this.#post(message, recipient, { subject, content })
  }

  async #post(
    message: PlainOutbound,
    recipient: number,
    text: { readonly subject: string; readonly content: string },
  ): Promise<number> {
    const { clock, rest, signal } = this.#options
    const { id, hops, inReplyTo } = message
    const body: JsonObject = {
      recipient_id: recipient,
      ...text,
      message_type: 'text',
      metadata: {
        perdura_id: id,
        auto_reply: true,
        hops,
        ...(inReplyTo !== undefined && { in_reply_to: inReplyTo }),
      },
    }
    const outcome = await rest.request('POST', '/message/send', body, signal)
    if (outcome.kind === 'unknown') this.#lostMs = clock.monotonicMs()
    if (outcome.kind !== 'answered') throw outcome.error
    const { status } = outcome
    if (status === 200) {
      const answer = parse(plainSentAnswer, outcome.body)
      if (answer.ok) return this.#sent(message, answer.value.message.id)
      throw new Error(`an answer to message/send that cannot be read at "${answer.path}"`)
    }
    if (status === 400 || status === 413 || status === 422) {
      const said = parse(plainErrorAnswer, outcome.body)
      if (said.ok) return this.#refuse(message, `ERR_REQUEST_INVALID: ${said.value.error.slice(0, 200)}`)
    }
    // What stands between here and the server does not know what became of it.
    if (status > 500) this.#lostMs = clock.monotonicMs()
    return this.#failedWith(message, recipient, status)
  }

  /**
   * The server says 500 to an unknown recipient, to a message that it cannot store, and when it is not well. Before the
   * next time it is asked what it has sent, so a message that it fails with again and again is the cause itself.
   */
  async #failedWith(message: PlainOutbound, recipient: number, status: number): Promise<number> {
    const { names, rest, signal } = this.#options
    const profile = await rest.find(`/ai/${recipient}`, plainProfileAnswer, signal)
    if (profile === undefined) {
      names.forget(message.recipient, recipient)
      if (message.recipient === `#${recipient}`) {
        return this.#refuse(message, `ERR_NO_SUCH_PROFILE: nobody has the number ${recipient} at this server`)
      }
    } else {
      const { sequence } = message
      const count = this.#failed.sequence === sequence ? this.#failed.count + 1 : 1
      this.#failed = { sequence, count }
      if (status === 500 && count >= failuresMax) {
        return this.#refuse(
          message,
          'ERR_HUB_PROTOCOL: the server fails with this message, and with no other',
        )
      }
    }
    throw new Error(`the server answered message/send with status ${status}`)
  }

  async #find(subject: string): Promise<PlainMessage | undefined> {
    const floor = this.#options.store.sentNumber() ?? 0
    for (let look = 0; look < looksMax; look++) {
      // One message more than once does no harm; what has been deleted is still listed, so that none is passed over.
      const page = await this.#page(look * (pageSize - 1))
      const found = page.find((message) => message.subject === subject)
      if (found !== undefined) return found
      if (page.length < pageSize || page.some(({ id }) => id <= floor)) return undefined
    }
    return undefined
  }

  /** The newest number that was sent before; 0 where nothing was. */
  async #top(): Promise<number> {
    return Math.max(0, ...(await this.#page(0)).map(({ id }) => id))
  }

  async #page(offset: number): Promise<readonly PlainMessage[]> {
    const { rest, signal } = this.#options
    const path = `/message/sent?limit=${pageSize}&offset=${offset}`
    const { messages } = await rest.read(path, plainPage, signal)
    return messages.flatMap((value) => {
      const parsed = parse(plainMessage, value)
      return parsed.ok ? parsed.value : []
    })
  }

  async #sent(message: PlainOutbound, number: number): Promise<number> {
    await this.#options.store.settle(message.sequence, { result: 'ok', number })
    this.#options.onSent()
    return 0
  }

  async #refuse(message: PlainOutbound, error: string): Promise<number> {
    await this.#options.store.settle(message.sequence, { result: 'refused', error })
    return 0
  }
}

/** What the server would answer with 500, whenever it is asked. */
function problemOf(content: string): string | undefined {
  if (content === '') return 'ERR_PAYLOAD_INVALID: a plain v1 server takes no empty message'
  if (!isCleanText(content)) return 'ERR_PAYLOAD_INVALID: the content contains NUL or half a surrogate pair'
  if (Buffer.byteLength(JSON.stringify(content)) > bodyBytesMax) {
    return 'ERR_PAYLOAD_TOO_LARGE: a plain v1 server takes at most 1 MiB at once'
  }
  return undefined
}
