import type { Credit } from './frames.ts'

/*
 * How much may be sent on a connection, counted from its beginning, as both of its sides keep it. A frame may go while
 * both counters are above zero, so that one that is larger than a window cannot stop everything.
 */

/** The side that sends. */
export class SenderCredit {
  readonly #sent = { messages: 0, bytes: 0 }
  #granted: Credit

  constructor(granted: Credit) {
    this.#granted = granted
  }

  get isOpen(): boolean {
    return this.#sent.messages < this.#granted.messages && this.#sent.bytes < this.#granted.bytes
  }

  /** Messages that may go still, as far as bytes allow. */
  get messagesLeft(): number {
    return this.#granted.messages - this.#sent.messages
  }

  /** Cumulative, and never less than before: a grant that comes late takes nothing back. */
  grant({ messages, bytes }: Credit): void {
    this.#granted = {
      messages: Math.max(messages, this.#granted.messages),
      bytes: Math.max(bytes, this.#granted.bytes),
    }
  }

  spend(bytes: number): void {
    this.#sent.messages += 1
    this.#sent.bytes += bytes
  }
}

/** The side that grants: it holds the other one to it, and lets it send on as it has dealt with what came. */
export class ReceiverCredit {
  readonly #window: Credit
  readonly #came = { messages: 0, bytes: 0 }
  readonly #handled = { messages: 0, bytes: 0 }
  #granted: Credit

  constructor(window: Credit) {
    this.#window = window
    this.#granted = window
  }

  get granted(): Credit {
    return this.#granted
  }

  /** One came; false where it might not have been sent. */
  take(bytes: number): boolean {
    const { messages, bytes: before } = this.#came
    this.#came.messages += 1
    this.#came.bytes += bytes
    return messages < this.#granted.messages && before < this.#granted.bytes
  }

  /** So much has been dealt with: what the other side is to be granted, in steps of half a window. */
  handled({ messages, bytes }: Credit): Credit | undefined {
    this.#handled.messages += messages
    this.#handled.bytes += bytes
    const next = {
      messages: this.#handled.messages + this.#window.messages,
      bytes: this.#handled.bytes + this.#window.bytes,
    }
    const isSmall =
      next.messages - this.#granted.messages < this.#window.messages / 2 &&
      next.bytes - this.#granted.bytes < this.#window.bytes / 2
    if (isSmall) return undefined
    this.#granted = next
    return next
  }
}
