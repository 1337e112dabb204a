/**
 * How often a child has failed lately: at most `failuresMax` times are kept, since as many are enough to know.
 *
 * Times are of the monotonic clock, so that nobody who sets the other one makes a crash loop of a few accidents, or hides
 * one. They are written down as wall-clock times, for they must mean something to the next supervisor; one that the wall
 * clock puts into the future counts as of now.
 */
export class RestartIntensity {
  #failedMs: number[] = []

  constructor(failedMs: readonly number[] = []) {
    this.#failedMs = [...failedMs].toSorted((a, b) => a - b)
  }

  /** Returns whether this makes too many. */
  failed(nowMs: number, { failuresMax, windowMs }: IntensityLimit): boolean {
    this.#failedMs = [...this.#failedMs.filter((failedMs) => nowMs - failedMs < windowMs), nowMs].slice(
      -failuresMax,
    )
    return this.#failedMs.length >= failuresMax
  }

  /** Returns whether there was something to forget. */
  forget(): boolean {
    const any = this.#failedMs.length > 0
    this.#failedMs = []
    return any
  }

  /** When it failed, oldest first; those that have left the window may be among them. */
  get failedMs(): readonly number[] {
    return this.#failedMs
  }

  count(nowMs: number, windowMs: number): number {
    return this.#failedMs.filter((failedMs) => nowMs - failedMs < windowMs).length
  }
}

export interface IntensityLimit {
  readonly failuresMax: number
  readonly windowMs: number
}
