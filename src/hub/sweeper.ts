import { PerduraError, toError } from '../errors.ts'
import { type ClockDoubt, jumpMaxMs } from '../platform/clock-doubt.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'

const sweepEveryMs = 60_000

export interface SweeperOptions {
  readonly clock: Clock
  readonly log: Log
  readonly doubt: ClockDoubt
  /** Returns how many there were. */
  readonly sweep: (now: number) => Promise<number>
}

/** Removes what is over, in small transactions. */
export class Sweeper {
  readonly #options: SweeperOptions
  #timer: Timer | undefined
  #stopped = false
  /** By how much the clock had jumped when that was said last. */
  #toldMs = 0

  constructor(options: SweeperOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = this.#options.clock.setTimer(sweepEveryMs, () => void this.#run())
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /** Wall-clock ms, no later than it can be: by a clock that has jumped, mail would be lost that nobody read. */
  #now(): number {
    const { doubt, log } = this.#options
    const jumpedMs = doubt.look() ?? 0
    if (Math.abs(jumpedMs - this.#toldMs) > jumpMaxMs && jumpedMs !== 0) {
      log.warn('hub:clock:doubted', { clockJumpedMs: jumpedMs })
    }
    this.#toldMs = jumpedMs
    return doubt.earliest()
  }

  async #run(): Promise<void> {
    const { log, sweep } = this.#options
    try {
      // Until nothing more is due.
      while (!this.#stopped && (await sweep(this.#now())) > 0);
    } catch (thrown) {
      const error = toError(thrown)
      const expected = error instanceof PerduraError && error.retryable
      log[expected ? 'warn' : 'error']('hub:sweep:failed', { error })
    }
    if (!this.#stopped) this.start()
  }
}
