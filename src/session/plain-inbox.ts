import { PerduraError, toError } from '../errors.ts'
import { sleep, type Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { Random } from '../platform/random.ts'
import { parse } from '../protocol/parse.ts'
import { plainMessage, plainPage, plainTimeUs, type PlainMessage } from '../protocol/plain-server.ts'
import { backoffMs } from './backoff.ts'
import { contentOf, readMarker } from './plain-marker.ts'
import type { PlainNames } from './plain-names.ts'
import type { PlainRest } from './plain-rest.ts'
import type { Mark, PlainStore } from './plain-store.ts'
import type { Incoming } from './position.ts'

export interface PlainInboxOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly store: Pick<PlainStore, 'mark' | 'accept'>
  readonly rest: PlainRest
  readonly names: PlainNames
  readonly signal: AbortSignal
}

/**
 * A message comes in a request of 1 MiB at most, whose text JSON may write at three times its size: so many are never
 * over the 64 MiB that an answer may have.
 */
const pageSize = 20
const pollMinMs = 5_000
const pollMaxMs = 30_000
/** Pages read in one go; what is left then is for the next time. */
const readsMax = 5_000

interface Page {
  readonly messages: readonly PlainMessage[]
  /** Nothing older follows. */
  readonly isLast: boolean
}

/**
 * Fetches what is in the agent's inbox at a plain v1 server, which pushes nothing, knows no "after" and moves everything
 * down whenever a message arrives. A page is the only thing that holds still, so only such a page is taken in as reaches
 * down to what is known already: what is new on it follows without a hole. Where the newest page does not reach so far,
 * it looks further down until one does, and from there works its way up again, oldest first. Whatever arrives or is
 * deleted between two pages changes where they begin, and not whether they are whole; nor does it matter where the
 * process dies, since the mark moves with each page.
 */
export class PlainInbox {
  readonly #options: PlainInboxOptions
  #dueMs = 0
  #nap: AbortController | undefined

  constructor(options: PlainInboxOptions) {
    this.#options = options
    options.signal.addEventListener('abort', () => this.#nap?.abort())
  }

  /** Polls until its signal aborts; resolves when nothing is being written any more. */
  async run(): Promise<void> {
    const { clock, random, log, signal } = this.#options
    let quietMs = pollMinMs
    let failures = 0
    while (!signal.aborted) {
      try {
        quietMs = (await this.#catchUp()) > 0 ? pollMinMs : Math.min(pollMaxMs, quietMs * 1.5)
        failures = 0
      } catch (thrown) {
        if (signal.aborted) return
        const error = toError(thrown)
        const isFull = error instanceof PerduraError && error.code === 'ERR_INBOX_FULL'
        if (!isFull) log.warn('session:inbox:failed', { error })
        quietMs = pollMinMs + backoffMs(failures++, random)
      }
      this.#dueMs = clock.monotonicMs() + quietMs
      await this.#rest()
    }
  }

  /** Something is likely to come: an answer, or what a frame has announced. */
  hurry(): void {
    const dueMs = this.#options.clock.monotonicMs() + pollMinMs
    if (dueMs >= this.#dueMs) return
    this.#dueMs = dueMs
    this.#nap?.abort()
  }

  async #rest(): Promise<void> {
    const { clock, signal } = this.#options
    while (!signal.aborted) {
      const delayMs = this.#dueMs - clock.monotonicMs()
      if (delayMs <= 0) return
      this.#nap = new AbortController()
      await sleep(clock, delayMs, this.#nap.signal)
    }
  }

  /** Returns how many messages were new. */
  async #catchUp(): Promise<number> {
    const { store, signal } = this.#options
    let taken = 0
    let offset = 0
    for (let reads = 0; reads < readsMax && !signal.aborted; reads++) {
      const page = await this.#read(offset)
      const mark = store.mark()
      const fresh = page.messages.filter((message) => isBeyond(message, mark))
      const reachesKnown = page.isLast || fresh.length < page.messages.length
      if (!reachesKnown) {
        // One message of this page is on the next too, so that there is a next one also where this one ends the list.
        offset += pageSize - 1
        continue
      }
      await this.#take(fresh.toSorted((one, other) => one.id - other.id))
      taken += fresh.length
      if (offset === 0) break
      offset = Math.max(0, offset - (pageSize - 1))
    }
    return taken
  }

  async #read(offset: number): Promise<Page> {
    const { rest, log, signal } = this.#options
    // An empty status stands for all of them: another client of this identity may yet mark messages as read.
    const path = `/message/inbox?limit=${pageSize}&offset=${offset}&status=`
    const { messages } = await rest.read(path, plainPage, signal)
    const readable = messages.flatMap((value) => {
      const parsed = parse(plainMessage, value)
      if (parsed.ok) return parsed.value
      log.debug('session:message:unreadable', { path: parsed.path, problem: parsed.problem })
      return []
    })
    return { messages: readable, isLast: messages.length < pageSize }
  }

  /** Commits a page, oldest first; where there is no room for all of it, as much of it as there is room for. */
  async #take(fresh: readonly PlainMessage[]): Promise<void> {
    if (fresh.length === 0) return
    const incoming: Incoming[] = []
    for (const message of fresh) incoming.push(await this.#toIncoming(message))
    // Where the session is over, another one may have begun.
    if (this.#options.signal.aborted) return
    const { store } = this.#options
    try {
      await store.accept(incoming, markAfter(store.mark(), fresh))
    } catch (error) {
      const isFull = error instanceof PerduraError && error.code === 'ERR_INBOX_FULL'
      if (!isFull || fresh.length === 1) throw error
      for (const [index, message] of fresh.entries()) {
        await store.accept([incoming[index] as Incoming], markAfter(store.mark(), [message]))
      }
    }
  }

  async #toIncoming(message: PlainMessage): Promise<Incoming> {
    const { id, message_id: messageId, sender_id: senderId, subject, content } = message
    const { names, signal } = this.#options
    const marker = readMarker(subject, senderId)
    return {
      offset: id,
      // By the sender's own id, a message that it had to send twice is still one.
      id: marker?.id ?? messageId,
      senderName: await names.nameOf(senderId, signal),
      conversation: marker?.conversation,
      content: contentOf(content, marker),
      metadata: marker && {
        auto_reply: true,
        hops: marker.hops,
        ...(marker.inReplyTo !== undefined && { in_reply_to: marker.inReplyTo }),
      },
    }
  }
}

function isBeyond({ id, created_at: createdAt }: PlainMessage, mark: Mark): boolean {
  return id > mark.number || plainTimeUs(createdAt) > mark.timeUs
}

function markAfter(mark: Mark, messages: readonly PlainMessage[]): Mark {
  return {
    number: Math.max(mark.number, ...messages.map(({ id }) => id)),
    timeUs: Math.max(mark.timeUs, ...messages.map((message) => plainTimeUs(message.created_at))),
  }
}
