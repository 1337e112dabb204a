import type { Random } from '../platform/random.ts'

const firstMs = 1_000
const floorMs = 250
const capMs = 20_000

/**
 * How long to wait before the next attempt, ms: the first one anywhere within a second, later ones within a range that
 * doubles up to 20 s. The jitter is taken of the capped range, so that a thousand agents stay spread out at the cap too.
 */
export function backoffMs(attempts: number, random: Pick<Random, 'fraction'>): number {
  if (attempts === 0) return random.fraction() * firstMs
  return floorMs + random.fraction() * Math.min(capMs, firstMs * 2 ** Math.min(attempts, 20))
}
