/** Counts of values by their size. Cheap to add to: a handful of comparisons. */
export class Histogram {
  /** Upper bounds, inclusive, rising; what is over the last one counts in `count` alone. */
  readonly bounds: readonly number[]
  /** Of the values that are over the bound before and not over this one. */
  readonly counts: number[]
  count = 0
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = bounds.map(() => 0)
  }

  add(value: number): void {
    this.count += 1
    this.sum += value
    const index = this.bounds.findIndex((bound) => value <= bound)
    if (index >= 0) this.counts[index] = (this.counts[index] ?? 0) + 1
  }
}
