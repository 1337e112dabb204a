const pointsMax = 60

export interface Point<Value> {
  readonly atMs: number
  readonly value: Value
}

/** The points of the last `windowMs`, at most 60 and one: what comes in between is left out. */
export class SlidingWindow<Value> {
  #points: Point<Value>[] = []

  get points(): readonly Point<Value>[] {
    return this.#points
  }

  /** The last one before the window, or the first within it: what has happened since is what the window saw. */
  get oldest(): Point<Value> | undefined {
    return this.#points[0]
  }

  /** How much of the window the points cover, ms. */
  get coveredMs(): number {
    return (this.#points.at(-1)?.atMs ?? 0) - (this.#points[0]?.atMs ?? 0)
  }

  /** False where it was left out. */
  add(atMs: number, value: Value, windowMs: number): boolean {
    const last = this.#points.at(-1)
    const isNew = last === undefined || atMs - last.atMs >= windowMs / pointsMax
    if (isNew) this.#points.push({ atMs, value })
    const beyond = this.#points.findIndex((point) => atMs - point.atMs < windowMs)
    // One before the window stays, so that the window is covered whole.
    if (beyond > 1) this.#points = this.#points.slice(beyond - 1)
    return isNew
  }
}
