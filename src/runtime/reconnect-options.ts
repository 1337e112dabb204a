import { PerduraError } from '../errors.ts'
import type { RetryLimits } from '../session/retry-policy.ts'

/** How an agent comes back to its hub. */
export interface ReconnectOptions {
  /**
   * Attempts in a row after which it waits to be asked (`perdura session reconnect`, a wake-up, another network); 1 to
   * 1,000,000. Default: no end. Where the hub has several addresses, each of them is tried once in an attempt.
   */
  readonly attemptsMax?: number | undefined
  /** Unit of the growing delays, ms; 10 to 600,000. Default 1,000. */
  readonly baseDelayMs?: number | undefined
}

export const reconnectBounds = {
  attemptsMax: { min: 1, max: 1_000_000 },
  baseDelayMs: { min: 10, max: 600_000 },
  heartbeatMs: { min: 1_000, max: 300_000 },
} as const

/** As a session takes them; ERR_USAGE names the one that is wrong. */
export function checkReconnect(
  { attemptsMax, baseDelayMs }: ReconnectOptions,
  heartbeatMs: number | undefined,
): { readonly retry: Partial<RetryLimits>; readonly limits: { readonly heartbeatMs?: number } } {
  check('reconnect.attemptsMax', attemptsMax, reconnectBounds.attemptsMax)
  check('reconnect.baseDelayMs', baseDelayMs, reconnectBounds.baseDelayMs)
  check('heartbeatMs', heartbeatMs, reconnectBounds.heartbeatMs)
  return {
    retry: {
      ...(attemptsMax !== undefined && { attemptsMax }),
      ...(baseDelayMs !== undefined && { baseMs: baseDelayMs }),
    },
    limits: heartbeatMs === undefined ? {} : { heartbeatMs },
  }
}

function check(
  name: string,
  value: number | undefined,
  { min, max }: { readonly min: number; readonly max: number },
): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= min && value <= max)) return
  throw new PerduraError('ERR_USAGE', `${name}: must be a whole number from ${min} to ${max}`)
}
