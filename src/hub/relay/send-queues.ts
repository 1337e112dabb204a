import type { Log } from '../../platform/log.ts'
import type { Member } from './registry.ts'

/** What may be on its way to one agent; more, and it is not reading. A window and the largest frame fit well within. */
export const sendQueueBytesMax = 16 * 1024 * 1024

/** What may be on its way to all peers together. Default 256 MiB, 1 MiB to 1 TiB. */
export const defaultSendQueuesBytesMax = 256 * 1024 * 1024

/**
 * Bounds what all send queues of a hub hold together: each has a bound of its own, and ten thousand of those are more than
 * any machine has. They are measured each time that so much has been sent as could matter, and where it is too much, those
 * that hold most are ended, with a code after which their peers come back: nothing is lost by it, since what was not
 * acknowledged is sent again. So it is never more than nine eighths of the bound.
 */
export class SendQueues {
  readonly #bytesMax: number
  readonly #members: () => readonly Member[]
  readonly #log: Log
  #sinceMeasured = 0

  constructor(options: {
    readonly bytesMax: number
    readonly members: () => readonly Member[]
    readonly log: Log
  }) {
    this.#bytesMax = options.bytesMax
    this.#members = options.members
    this.#log = options.log
  }

  /** So many bytes were given to one of them. */
  sent(bytes: number): void {
    this.#sinceMeasured += bytes
    if (this.#sinceMeasured < this.#bytesMax / 8) return
    this.#sinceMeasured = 0
    this.#measure()
  }

  #measure(): void {
    const queues = this.#members()
      .map((member) => ({ member, bytes: member.bufferedBytes }))
      .filter(({ bytes }) => bytes > 0)
    let total = queues.reduce((sum, { bytes }) => sum + bytes, 0)
    if (total <= this.#bytesMax) return
    const before = total
    let count = 0
    for (const { member, bytes } of queues.toSorted((a, b) => b.bytes - a.bytes)) {
      if (total <= this.#bytesMax * (3 / 4)) break
      total -= bytes
      count += 1
      member.shed()
    }
    this.#log.warn('hub:queues:shed', { count, bytes: before, bytesMax: this.#bytesMax })
  }
}
