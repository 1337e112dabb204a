/** What every benchmark gives: numbers by name, units last in the names. Others rely on some of the keys. */
export interface BenchResult {
  readonly name: string
  readonly figures: Readonly<Record<string, number>>
  /** The same measured on something simpler, side by side. */
  readonly baseline: Readonly<Record<string, number>>
  /** Figures divided by their baseline. */
  readonly ratio: Readonly<Record<string, number>>
  /** Counts in a row, such as by second, where one number does not say it. */
  readonly histograms?: Readonly<Record<string, readonly number[]>>
}

export interface BenchOptions {
  /** Where what is measured is written. */
  readonly folder: string
  /** A few repetitions only: shows that it works, measures nothing. */
  readonly quick: boolean
}

export type Benchmark = (options: BenchOptions) => Promise<BenchResult>

/** The value below which this fraction of the values lies (nearest rank). */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const rank = Math.max(1, Math.ceil(fraction * sorted.length))
  return sorted[rank - 1] ?? Number.NaN
}

/** Three significant digits: what these measurements are good for. */
export function rounded(figures: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(figures).map(([key, value]) => [key, Number(value.toPrecision(3))]),
  )
}
