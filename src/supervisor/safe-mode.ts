/**
 * When a child runs in safe mode, and for how long.
 *
 * `off`: it runs as it should. Left for `on` when it has failed too often.
 * `on`: it is started without its mind, until the time is over, or somebody who has changed something says so. Left for
 * `off`, and the child is started as it should be again.
 *
 * Each time lasts twice as long as the one before, from `safeModeFirstMs` up to `safeModeMaxMs`: what is wrong with it
 * rarely mends itself in a minute when it did not in the last one. A child that has run well for a whole window begins
 * anew. Times are monotonic.
 */
export class SafeMode {
  #level: number
  #sinceMs: number | undefined
  #untilMs: number | undefined

  constructor(level = 0, period?: { readonly sinceMs: number; readonly untilMs: number }) {
    this.#level = level
    this.#sinceMs = period?.sinceMs
    this.#untilMs = period?.untilMs
  }

  /** How many times in a row it was needed. */
  get level(): number {
    return this.#level
  }

  get isOn(): boolean {
    return this.#untilMs !== undefined
  }

  /** Undefined while it is off. */
  get period(): { readonly sinceMs: number; readonly untilMs: number } | undefined {
    if (this.#sinceMs === undefined || this.#untilMs === undefined) return undefined
    return { sinceMs: this.#sinceMs, untilMs: this.#untilMs }
  }

  enter(nowMs: number, times: SafeModeTimes): void {
    this.#level += 1
    this.#sinceMs = nowMs
    this.#untilMs = nowMs + durationMs(this.#level, times)
  }

  isOver(nowMs: number): boolean {
    return this.#untilMs !== undefined && nowMs >= this.#untilMs
  }

  /** Returns whether it was on. */
  leave(): boolean {
    const was = this.isOn
    this.#sinceMs = undefined
    this.#untilMs = undefined
    return was
  }

  /** The child has shown that it can do without. Returns whether that is news. */
  forget(): boolean {
    const was = this.#level > 0
    this.#level = 0
    return was
  }
}

export interface SafeModeTimes {
  readonly safeModeFirstMs: number
  readonly safeModeMaxMs: number
}

/** Of the first time, the second, …: 1, 2, 4 … 60 minutes. */
function durationMs(level: number, { safeModeFirstMs, safeModeMaxMs }: SafeModeTimes): number {
  return Math.min(safeModeMaxMs, safeModeFirstMs * 2 ** Math.min(level - 1, 40))
}
