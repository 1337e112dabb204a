import { PerduraError, toError } from '../errors.ts'
import type { ClockDoubt } from '../platform/clock-doubt.ts'
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

  /** What a clock that has jumped calls old is not removed: mail would be lost that nobody read. */
  #mayTrustClock(): boolean {
    const { doubt, log } = this.#options
    const found = doubt.look()
    if (found?.isNew === true) log.warn('hub:sweep:skipped', { clockJumpedMs: found.jumpedMs })
    return found === undefined
  }

  async #run(): Promise<void> {
    const { clock, log, sweep } = this.#options
    try {
      // Until nothing more is due.
      while (!this.#stopped && this.#mayTrustClock() && (await sweep(clock.now())) > 0);
    } catch (thrown) {
      const error = toError(thrown)
      const expected = error instanceof PerduraError && error.retryable
      log[expected ? 'warn' : 'error']('hub:sweep:failed', { error })
    }
    if (!this.#stopped) this.start()
  }
}
