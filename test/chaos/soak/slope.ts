/** A quantity over time: of one process, from its start to its end. Times and values in whatever unit, the same for all. */
export type Series = readonly { readonly at: number; readonly value: number }[]

export interface Slope {
  /** Value by time. */
  readonly slope: number
  /** The 95 % interval. */
  readonly low: number
  readonly high: number
  /** Of points, each the median of a stretch of time. */
  readonly points: number
}

/**
 * How a quantity grows over all lives of something that is restarted: the median of the slopes between any two points of the
 * same life (Theil 1950, Sen 1968), with Sen's interval, the variances of the lives added up. Neither a jump at the start of
 * a life nor single outliers move it. Points are medians of stretches of `stretch`, since neighbouring samples say the
 * same, and would make the interval look smaller than it is. Undefined where there are fewer than four.
 */
export function slopeOf(lives: readonly Series[], stretch: number): Slope | undefined {
  const points = lives.map((life) => mediansOf(life, stretch))
  const slopes = points.flatMap((life) =>
    life.flatMap((from, index) =>
      life.slice(index + 1).map((to) => (to.value - from.value) / (to.at - from.at)),
    ),
  )
  const count = points.reduce((sum, { length }) => sum + length, 0)
  if (slopes.length < 6) return undefined
  slopes.sort((a, b) => a - b)
  const variance = points.reduce((sum, { length: n }) => sum + (n * (n - 1) * (2 * n + 5)) / 18, 0)
  const reach = 1.96 * Math.sqrt(variance)
  const rank = (at: number): number =>
    slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(at)))] as number
  return {
    slope: median(slopes),
    low: rank((slopes.length - reach) / 2 - 1),
    high: rank((slopes.length + reach) / 2),
    points: count,
  }
}

function mediansOf(life: Series, stretch: number): Series {
  const [first] = life
  if (first === undefined) return []
  const stretches = Map.groupBy(life, ({ at }) => Math.floor((at - first.at) / stretch))
  return [...stretches.values()].map((samples) => ({
    at: median(samples.map(({ at }) => at)),
    value: median(samples.map(({ value }) => value)),
  }))
}

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
