import type { CloseReason } from '../../protocol/close-codes.ts'
import { SenderCredit } from '../../protocol/credit.ts'
import type { Credit, HubFrame } from '../../protocol/frames.ts'
import { toError } from '../../errors.ts'
import type { StreamItem } from '../streams.ts'
import { fetched } from './fetched.ts'
import type { Relay } from './relay.ts'

export interface DeliveryOptions {
  readonly relay: Relay
  readonly aiId: number
  readonly epoch: string
  /** The position after which it begins. */
  readonly after: number
  readonly credit: Credit
  readonly send: (frame: string) => void
  readonly failed: (reason: CloseReason, text: string) => void
}

const pageCountMax = 256
const pageBytesMax = 1024 * 1024

/** Sends an agent its stream on one connection: page by page, in order, as far as its credit goes. */
export class Delivery {
  readonly #options: DeliveryOptions
  readonly #credit: SenderCredit
  #position: number
  #looking = false
  #again = false
  #stopped = false

  constructor(options: DeliveryOptions) {
    this.#options = options
    this.#position = options.after
    this.#credit = new SenderCredit(options.credit)
  }

  stop(): void {
    this.#stopped = true
  }

  grant(credit: Credit): void {
    this.#credit.grant(credit)
    this.look()
  }

  /** There may be something to send. */
  look(): void {
    this.#again = true
    if (!this.#looking) void this.#run()
  }

  async #run(): Promise<void> {
    this.#looking = true
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false
        while (this.#credit.isOpen && (await this.#sendPage()));
      }
    } catch (thrown) {
      const error = toError(thrown)
      this.#options.relay.log.warn('hub:delivery:failed', { error })
      this.#options.failed('unavailable', 'the hub cannot read now')
    } finally {
      this.#looking = false
    }
  }

  /** Whether there may be more. */
  async #sendPage(): Promise<boolean> {
    const { relay, aiId, epoch, failed } = this.#options
    const { storage, parts } = relay
    const countMax = Math.min(pageCountMax, this.#credit.messagesLeft)
    const read = await storage.read((reader) =>
      parts.readPage(reader, aiId, this.#position, { countMax, bytesMax: pageBytesMax }),
    )
    const page = await fetched(relay, aiId, read)
    if (this.#stopped) return false
    if (page.epoch !== epoch) {
      failed('resume_again', 'the stream has a new epoch')
      return false
    }
    for (const item of page.items) {
      if (item.kind === 'message' && !this.#credit.isOpen) return false
      this.#sendItem(item)
    }
    return page.items.length > 0
  }

  #sendItem(item: StreamItem): void {
    const { epoch, send } = this.#options
    const text = JSON.stringify(frameOf(item, epoch))
    send(text)
    if (item.kind === 'gap') {
      this.#position = item.to
      return
    }
    this.#position = item.position
    this.#credit.spend(Buffer.byteLength(text))
  }
}

function frameOf(item: StreamItem, epoch: string): HubFrame {
  if (item.kind === 'gap') {
    const { from, to, lastId, reason } = item
    return { type: 'gap', epoch, from, to, last_id: lastId, reason }
  }
  return {
    type: 'message',
    epoch,
    offset: item.position,
    mark: item.mark,
    message_id: item.messageId,
    sender_id: item.senderId,
    sender_name: item.senderName,
    conversation_id: item.conversationId ?? null,
    content: item.content,
    subject: item.subject ?? null,
    message_type: item.messageType,
    metadata: item.metadata ?? null,
    timestamp: new Date(item.createdAt).toISOString(),
  }
}
