import type { Credit } from '../../protocol/frames.ts'

/** What an agent may publish on one connection, and what of it has been dealt with. */
export class PublishCredit {
  readonly #window: Credit
  readonly #published = { messages: 0, bytes: 0 }
  readonly #handled = { messages: 0, bytes: 0 }
  #granted: Credit

  constructor(window: Credit) {
    this.#window = window
    this.#granted = window
  }

  get granted(): Credit {
    return this.#granted
  }

  /** False where both counters had not been above zero. */
  take(bytes: number): boolean {
    const { messages, bytes: before } = this.#published
    this.#published.messages += 1
    this.#published.bytes += bytes
    return messages < this.#granted.messages && before < this.#granted.bytes
  }

  /** One has been answered: what the agent is to be told, in steps of half a window. */
  handled(bytes: number): Credit | undefined {
    this.#handled.messages += 1
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
