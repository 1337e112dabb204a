import type { Random } from '../platform/random.ts'

export interface BackoffOptions {
  /** Upper bound of the delay before the second restart in a row, ms; doubles with each further one. Default 100. */
  readonly baseMs: number
  /** Upper bound of every delay, ms. Default 30,000. */
  readonly capMs: number
}

export const defaultBackoff: BackoffOptions = { baseMs: 100, capMs: 30_000 }

/**
 * Delay before the next start, after `failures` failures in a row. The first is answered at once: most deaths are
 * accidents, and whoever waits for the agent should not. Then full jitter, below (ms) 100, 200, 400 … 25,600, 30,000;
 * jitter is applied after the cap, so that many supervisors that failed together do not stay in step at the cap.
 */
export function restartDelayMs(failures: number, random: Random, options: BackoffOptions = defaultBackoff): number {
  if (failures <= 1) return 0
  const bound = Math.min(options.capMs, options.baseMs * 2 ** Math.min(failures - 2, 40))
  return Math.floor(random.fraction() * bound)
}
