import { PerduraError, toError } from '../errors.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { ReceiverCredit } from '../protocol/credit.ts'
import type { Credit, GapFrame, MessageFrame } from '../protocol/frames.ts'
import type { Incoming, IncomingPage } from './position.ts'

export interface ReceiverOptions {
  readonly clock: Clock
  readonly log: Log
  /** What the hub may send; it is granted more as things are on disk. */
  readonly credit: ReceiverCredit
  readonly epoch: string
  /** The offset that the reader stands at. */
  readonly offset: number
  /** Resolves once the page is on disk. */
  readonly accept: (page: IncomingPage) => Promise<void>
  readonly acknowledge: (offset: number) => void
  readonly grant: (credit: Credit) => void
  readonly gap: (gap: { readonly from: number; readonly to: number; readonly reason: string }) => void
  /** The hub breaks its own order: the connection is of no use. */
  readonly failed: (problem: string) => void
}

interface Waiting {
  readonly from: number
  readonly offset: number
  readonly id: string
  readonly message: Incoming | undefined
  readonly bytes: number
}

/** How long what finds no room, or cannot be written, waits until it is tried again, ms. */
const retryMs = 500
/** Times that a message is tried which fails for no known reason: over 500 ms, 1 s, 2 s and 4 s. */
const triesMax = 5

/**
 * Takes in what the hub sends, in order and without holes, and acknowledges it once it is on disk, and only then: what
 * is not acknowledged comes again. One page is being committed at a time; what comes meanwhile makes the next one.
 *
 * What the disk has no room for waits. A message that this agent can never take in, whatever it waits for, would keep it
 * from all that come after it: it is passed over as a gap of one, and said to be.
 */
export class Receiver {
  readonly #options: ReceiverOptions
  #waiting: Waiting[] = []
  /** The offset that was received last, committed or not. */
  #received: number
  #committed: number
  #busy = false
  #committing = Promise.resolve()
  #retry: Timer | undefined
  #pageMax = Infinity
  /** Times that the message which comes next has failed alone. */
  #tries = 0
  #stopped = false
  #finished: (() => void) | undefined

  constructor(options: ReceiverOptions) {
    this.#options = options
    this.#received = options.offset
    this.#committed = options.offset
  }

  /**
   * The connection is over: what was not committed will come again. Resolves when nothing is being written any more, so
   * that the next connection finds the position at rest.
   */
  stop(): Promise<void> {
    this.#stopped = true
    this.#retry?.cancel()
    return this.#committing
  }

  /** Resolves when what has come is on the disk, and acknowledged. */
  finish(): Promise<void> {
    return new Promise((resolve) => {
      this.#finished = resolve
      this.#checkFinished()
    })
  }

  message(frame: MessageFrame, bytes: number): void {
    if (!this.#isNext(frame.epoch, frame.offset)) return
    const { offset, message_id: id, sender_name: senderName, content } = frame
    const message: Incoming = {
      offset,
      id,
      senderName,
      type: frame.message_type,
      conversation: frame.conversation_id ?? undefined,
      content,
      metadata: frame.metadata ?? undefined,
    }
    this.#add({ from: offset, offset, id: frame.mark ?? id, message, bytes })
  }

  /** What can no longer be delivered: the position passes over it. */
  gap({ epoch, from, to, last_id: id, reason }: GapFrame): void {
    if (!this.#isNext(epoch, from)) return
    if (to < from) return this.#options.failed(`a gap from ${from} to ${to}`)
    this.#options.gap({ from, to, reason })
    this.#add({ from, offset: to, id, message: undefined, bytes: 0 })
  }

  #isNext(epoch: string, offset: number): boolean {
    if (this.#stopped) return false
    if (epoch === this.#options.epoch && offset === this.#received + 1) return true
    this.#options.failed(`offset ${offset} came after ${this.#received}`)
    return false
  }

  #add(waiting: Waiting): void {
    this.#received = waiting.offset
    this.#waiting.push(waiting)
    this.#commit()
  }

  #commit(): void {
    if (this.#busy || this.#retry !== undefined) return
    this.#committing = this.#commitAll()
  }

  async #commitAll(): Promise<void> {
    this.#busy = true
    while (this.#waiting.length > 0 && !this.#stopped) {
      const page = this.#waiting.slice(0, this.#pageMax)
      if (!(await this.#commitPage(page))) break
    }
    this.#busy = false
    this.#checkFinished()
  }

  #checkFinished(): void {
    if (this.#waiting.length === 0 && !this.#busy) this.#finished?.()
  }

  /** Whether it went onto the disk. */
  async #commitPage(page: readonly Waiting[]): Promise<boolean> {
    const { accept, acknowledge, epoch } = this.#options
    const last = page.at(-1) as Waiting
    const messages = page.flatMap(({ message }) => (message === undefined ? [] : [message]))
    try {
      await accept({ epoch, after: this.#committed, messages, through: { offset: last.offset, id: last.id } })
    } catch (thrown) {
      return !this.#stopped && this.#refused(page, toError(thrown))
    }
    this.#pageMax = Infinity
    this.#tries = 0
    this.#committed = last.offset
    this.#waiting.splice(0, page.length)
    if (this.#stopped) return true
    acknowledge(last.offset)
    this.#replenish(page)
    return true
  }

  /** What becomes of a page that could not be taken in: whether the next one is to be tried now. */
  #refused(page: readonly Waiting[], error: Error): boolean {
    const { failed, log } = this.#options
    const code = error instanceof PerduraError ? error.code : undefined
    if (code === 'ERR_HUB_PROTOCOL') {
      failed(error.message)
      return false
    }
    const mayPass = error instanceof PerduraError && error.retryable
    // Where there is no room for all of it, there may be for the first; and one bad message is not to harm the others.
    if (page.length > 1 && (code === 'ERR_INBOX_FULL' || !mayPass)) {
      this.#pageMax = 1
      return true
    }
    if (code !== 'ERR_INBOX_FULL') log.warn('session:inbox:failed', { error })
    if (mayPass) this.#retryIn(retryMs)
    else if (code === undefined && (this.#tries += 1) < triesMax) {
      this.#retryIn(retryMs * 2 ** (this.#tries - 1))
    } else return this.#passOver(page, error)
    return false
  }

  /** Takes the position over a message and leaves it out. */
  #passOver([waiting]: readonly Waiting[], error: Error): boolean {
    // A page without a message has nothing to leave out: that is for the next connection.
    if (waiting?.message === undefined) {
      this.#options.failed('the position could not be written')
      return false
    }
    const { gap, log } = this.#options
    const { offset, id } = waiting.message
    log.error('session:message:unreadable', { offset, id, error })
    gap({ from: offset, to: offset, reason: `unreadable: ${error.message}` })
    this.#waiting[0] = { ...waiting, message: undefined }
    return true
  }

  #retryIn(delayMs: number): void {
    this.#retry = this.#options.clock.setTimer(delayMs, () => {
      this.#retry = undefined
      this.#commit()
    })
  }

  #replenish(page: readonly Waiting[]): void {
    const { credit, grant } = this.#options
    // A gap has no bytes, and costs no credit.
    const messages = page.filter(({ bytes }) => bytes > 0)
    const granted = credit.handled({
      messages: messages.length,
      bytes: messages.reduce((sum, { bytes }) => sum + bytes, 0),
    })
    if (granted !== undefined) grant(granted)
  }
}
