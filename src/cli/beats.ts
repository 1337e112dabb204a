import { memoryUsage } from '../platform/node/memory.ts'
import type { Parent } from './own-process.ts'
import type { Beat } from './process-messages.ts'

/** What only the process itself is asked for. */
export type BeatFacts = Omit<Beat, 'type' | 'rssBytes' | 'heapUsedBytes' | 'cpuMs'>

const beatEveryMs = 1_000

/**
 * Tells the parent once a second that this event loop runs. A beat that is not on its way yet keeps the next one back: for
 * a parent that does not read (it was suspended), the channel would keep them all in memory.
 */
export class Beats {
  readonly #parent: Pick<Parent, 'connected' | 'tell'>
  readonly #facts: () => BeatFacts
  readonly #timer: NodeJS.Timeout
  #sending = false

  constructor(parent: Pick<Parent, 'connected' | 'tell'>, facts: () => BeatFacts, everyMs = beatEveryMs) {
    this.#parent = parent
    this.#facts = facts
    this.#timer = setInterval(() => this.#beat(), everyMs)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #beat(): void {
    if (this.#sending || !this.#parent.connected) return
    const { user, system } = process.cpuUsage()
    this.#sending = true
    const sent = this.#parent.tell({
      type: 'beat',
      ...this.#facts(),
      ...memoryUsage(),
      cpuMs: Math.round((user + system) / 1_000),
    })
    void sent.then(() => {
      this.#sending = false
    })
  }
}
