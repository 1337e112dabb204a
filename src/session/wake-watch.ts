import { formatDuration } from '../duration.ts'
import type { Clock, Timer } from '../platform/clock.ts'

/** A reason to believe that connections have died meanwhile, or that what could not be reached can be now. */
export interface Occasion {
  readonly reason: string
  /** What has passed without the monotonic clock, ms: asleep, one has waited too. */
  readonly passedMs: number
}

/** Both clocks, as they stood at one moment. */
interface Reading {
  readonly wallMs: number
  readonly monotonicMs: number
}

/**
 * What has happened between two readings, the second of which was to be taken `everyMs` after the first. On Linux and macOS
 * the monotonic clock stands still while the machine sleeps, and the wall clock is ahead of it afterwards; on Windows, and
 * in a process that was stopped, it goes on, and the reading is late. A wall clock that somebody sets looks the same as
 * sleep: it costs a ping, or an attempt that would have been made later.
 */
function occasionBetween(before: Reading, after: Reading, everyMs: number): Occasion | undefined {
  const passedMs = after.monotonicMs - before.monotonicMs
  const aheadMs = after.wallMs - before.wallMs - passedMs
  if (aheadMs >= jumpMs) {
    return {
      reason: `the clock went ahead by ${formatDuration(aheadMs)}: the machine slept, or the clock was set`,
      passedMs: aheadMs,
    }
  }
  if (aheadMs <= -jumpMs) {
    return { reason: `the clock was set back by ${formatDuration(-aheadMs)}`, passedMs: 0 }
  }
  const lateMs = passedMs - everyMs
  if (lateMs < stoodStillMs) return undefined
  return { reason: `this process stood still for ${formatDuration(lateMs)}`, passedMs: 0 }
}

/** More than a clock drifts, and less than the shortest sleep that ends a connection. */
const jumpMs = 3_000
/** More than a process is kept from running by work of its own. */
const stoodStillMs = 5_000
/** Often enough to be back within seconds of a wake; it costs two readings of a clock. */
const everyMs = 2_000

/** Notices that the machine has slept, that its clock was set, or that this process stood still. */
export class WakeWatch {
  readonly #clock: Clock
  readonly #onOccasion: (occasion: Occasion) => void
  #last: Reading
  #timer: Timer | undefined

  constructor(clock: Clock, onOccasion: (occasion: Occasion) => void) {
    this.#clock = clock
    this.#onOccasion = onOccasion
    this.#last = this.#read()
  }

  start(): void {
    this.#last = this.#read()
    this.#timer = this.#clock.setTimer(everyMs, () => this.#look())
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #look(): void {
    const reading = this.#read()
    const occasion = occasionBetween(this.#last, reading, everyMs)
    this.#last = reading
    this.#timer = this.#clock.setTimer(everyMs, () => this.#look())
    if (occasion !== undefined) this.#onOccasion(occasion)
  }

  #read(): Reading {
    return { wallMs: this.#clock.now(), monotonicMs: this.#clock.monotonicMs() }
  }
}
