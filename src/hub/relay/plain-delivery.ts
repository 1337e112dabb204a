import { toError } from '../../errors.ts'
import { sleep } from '../../platform/clock.ts'
import type { Connection } from '../../platform/transport.ts'
import { noDetails, pushesOf, type PushForm, readDetails, type StreamMessage } from './plain-pushes.ts'
import { fetched } from './fetched.ts'
import type { Relay } from './relay.ts'

export interface PlainDeliveryOptions {
  readonly relay: Relay
  readonly connection: Pick<Connection, 'bufferedBytes'>
  readonly aiId: number
  /** The position after which it begins. */
  readonly after: number
  /** As what the messages go out now; it changes with what the client subscribes to. */
  readonly forms: () => readonly PushForm[]
  readonly send: (frame: object) => void
  readonly failed: (reason: 'slow' | 'unavailable') => void
}

const pageCountMax = 64
const pageBytesMax = 256 * 1024

/** With more than this on its way to the client, the rest waits where it is: in the database. */
const wayBytesMax = 512 * 1024
const drainLookMs = 50
/** Who has not read that much by then is not reading. */
const drainMsMax = 30_000

/**
 * Pushes an agent's messages to one plain socket, from where the stream ended when it came. It moves no cursor: what the
 * socket misses is in the inbox.
 */
export class PlainDelivery {
  readonly #options: PlainDeliveryOptions
  #position: number
  #looking = false
  #again = false
  #stopped = false

  constructor(options: PlainDeliveryOptions) {
    this.#options = options
    this.#position = options.after
  }

  stop(): void {
    this.#stopped = true
  }

  /** There may be something to push. */
  look(): void {
    this.#again = true
    if (!this.#looking) void this.#run()
  }

  async #run(): Promise<void> {
    const { relay, failed } = this.#options
    this.#looking = true
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false
        while (await this.#pushPage());
      }
    } catch (thrown) {
      relay.log.warn('hub:delivery:failed', { error: toError(thrown) })
      failed('unavailable')
    } finally {
      this.#looking = false
    }
  }

  /** Whether there may be more. */
  async #pushPage(): Promise<boolean> {
    const { relay, aiId, forms, send } = this.#options
    const wanted = forms()
    const { page, details } = await relay.storage.read(async (reader) => {
      const page = await relay.parts.readPage(reader, aiId, this.#position, {
        countMax: pageCountMax,
        bytesMax: pageBytesMax,
      })
      const messages = page.items.filter((item): item is StreamMessage => item.kind === 'message')
      return {
        page,
        details: wanted.includes('new_message') ? await readDetails(reader, messages) : noDetails,
      }
    })
    const { items } = await fetched(relay, aiId, page)
    // The hub's database was put back to an earlier time while this socket was open.
    this.#position = Math.min(this.#position, page.top)
    for (const item of items) {
      if (!(await this.#wayIsClear())) return false
      if (item.kind === 'message') {
        for (const form of wanted) for (const push of pushesOf(item, form, details)) send(push)
      }
      this.#position = item.kind === 'message' ? item.position : item.to
    }
    return page.items.length > 0
  }

  /** Waits until the client has read enough; false where it does not, or is gone. */
  async #wayIsClear(): Promise<boolean> {
    const { relay, connection, failed } = this.#options
    const endMs = relay.clock.monotonicMs() + drainMsMax
    while (!this.#stopped && connection.bufferedBytes > wayBytesMax) {
      if (relay.clock.monotonicMs() >= endMs) {
        failed('slow')
        return false
      }
      await sleep(relay.clock, drainLookMs)
    }
    return !this.#stopped
  }
}
