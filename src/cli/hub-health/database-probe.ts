import { toError } from '../../errors.ts'
import type { ProbeDepth } from '../../hub/hub.ts'
import type { Clock, Timer } from '../../platform/clock.ts'

export interface DatabaseProbeOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'setTimer'>
  /** Rejects where nothing can be written. */
  readonly probe: (depth: ProbeDepth) => Promise<void>
  /** How many of the hub's operations have failed. */
  readonly failures: () => number
}

const everyMs = 2_000
/** A commit costs a sync of the disk: one in two seconds would keep the disk of an idle hub awake for nothing. */
const diskEveryMs = 10_000

/**
 * Asks every two seconds whether the hub's database answers, and writes to it every ten; also at the next try after something
 * failed, and then until it can be written to. One try at a time is under way.
 */
export class DatabaseProbe {
  readonly #options: DatabaseProbeOptions
  #timer: Timer | undefined
  #stopped = false
  #lastGoodMs: number
  #lastWrittenMs = -Infinity
  #failuresSeen = 0
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
    const { clock, probe, failures } = this.#options
    const startedMs = clock.monotonicMs()
    const failed = failures()
    const isDoubted = this.#trouble !== undefined || failed > this.#failuresSeen
    const depth = isDoubted || startedMs - this.#lastWrittenMs >= diskEveryMs ? 'disk' : 'queue'
    this.#failuresSeen = failed
    try {
      await probe(depth)
      this.#lastGoodMs = clock.monotonicMs()
      if (depth === 'disk') this.#lastWrittenMs = startedMs
      this.#trouble = undefined
    } catch (error) {
      this.#trouble = toError(error).message
    }
    this.#busy = false
  }
}
