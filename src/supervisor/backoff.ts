import type { Random } from '../platform/random.ts'

export interface BackoffOptions {
  /** Upper bound of the delay before the second restart in a row, ms; doubles with each further one. Default 100. */
  readonly baseMs: number
  /** Upper bound of the delay for a child that died before it was ready, ms: nothing suggests that the next one will
   *  get further. Default 30,000. */
  readonly capMs: number
  /** The same for a child that was ready, ms: it works, and what kills it again and again is counted and set aside
   *  by the agent itself. Default 1,000. */
  readonly readyCapMs: number
}

export const defaultBackoff: BackoffOptions = { baseMs: 100, capMs: 30_000, readyCapMs: 1_000 }

/**
 * Delay before the next start, after `failures` failures in a row. The first is answered at once: most deaths are
 * accidents, and whoever waits for the agent should not. Then full jitter, below (ms) 100, 200, 400 … up to the cap;
 * jitter is applied after the cap, so that many supervisors that failed together do not stay in step at the cap.
 */
export function restartDelayMs(
  failures: number,
  wasReady: boolean,
  random: Random,
  options: BackoffOptions = defaultBackoff,
): number {
  if (failures <= 1) return 0
  const cap = wasReady ? options.readyCapMs : options.capMs
  const bound = Math.min(cap, options.baseMs * 2 ** Math.min(failures - 2, 40))
  return Math.floor(random.fraction() * bound)
}
