import { toError } from '../../errors.ts'
import type { Clock, Timer } from '../../platform/clock.ts'

export interface DatabaseProbeOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'setTimer'>
  /** Rejects where nothing can be written. */
  readonly probe: () => Promise<void>
}

const everyMs = 2_000

/** Tries every two seconds whether the hub's database can be written to. One try at a time is under way. */
export class DatabaseProbe {
  readonly #options: DatabaseProbeOptions
  #timer: Timer | undefined
  #stopped = false
  #lastGoodMs: number
  #trouble: string | undefined
  #busy = false

  constructor(options: DatabaseProbeOptions) {
    this.#options = options
    this.#lastGoodMs = options.clock.monotonicMs()
    this.#look()
  }

  /** Why it could not be written to at the last try; undefined where it could. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  get silentMs(): number {
    return Math.max(0, this.#options.clock.monotonicMs() - this.#lastGoodMs)
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #look(): void {
    if (this.#stopped) return
    this.#timer = this.#options.clock.setTimer(everyMs, () => this.#look())
    void this.#try()
  }

  async #try(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    try {
      await this.#options.probe()
      this.#lastGoodMs = this.#options.clock.monotonicMs()
      this.#trouble = undefined
    } catch (error) {
      this.#trouble = toError(error).message
    }
    this.#busy = false
  }
}
