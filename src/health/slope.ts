import type { Point } from './sliding-window.ts'

/**
 * The trend of a series, in units of value per ms: the median of the slopes between all pairs of points (Theil-Sen). Up to
 * 29 % of the points may be anything: a peak before a collection, the first minute of a process. Zero for fewer than two.
 */
export function slopeOf(points: readonly Point<number>[]): number {
  const slopes: number[] = []
  for (const [index, a] of points.entries()) {
    for (const b of points.slice(index + 1)) {
      if (b.atMs > a.atMs) slopes.push((b.value - a.value) / (b.atMs - a.atMs))
    }
  }
  slopes.sort((a, b) => a - b)
  const middle = slopes.length >> 1
  const upper = slopes[middle]
  if (upper === undefined) return 0
  return slopes.length % 2 === 1 ? upper : (upper + (slopes[middle - 1] ?? upper)) / 2
}
