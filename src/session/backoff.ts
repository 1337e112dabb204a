import { PerduraError } from '../errors.ts'
import type { Random } from '../platform/random.ts'

const firstMs = 1_000
const floorMs = 250
const capMs = 20_000

/**
 * How long to wait before the next attempt, ms: the first one anywhere within a second, whatever the base is; later ones
 * within a range that doubles from the base up to 20 s (or the base, where that is more). With a base of 1 s, in the mean:
 * 500, 1250, 2250, 4250, 8250, 10250 … The jitter is taken of the capped range, so that a thousand agents stay spread out
 * at the cap too.
 */
export function backoffMs(attempts: number, random: Pick<Random, 'fraction'>, baseMs = 1_000): number {
  if (attempts === 0) return random.fraction() * firstMs
  const rangeMs = Math.min(Math.max(capMs, baseMs), baseMs * 2 ** Math.min(attempts, 20))
  return floorMs + random.fraction() * rangeMs
}

/**
 * Within 30 s, always: whoever waits for long still comes back soon after the hub does. The range is wide, since all who
 * were dropped together begin with it together: of 20 to 30 s they would come in waves for minutes.
 */
export function suspendedMs(random: Pick<Random, 'fraction'>): number {
  return 10_000 + random.fraction() * 20_000
}

/** A server may ask for an hour, and for no more: else a wrong number would take an agent off for good. */
export const hintMaxMs = 3_600_000

/**
 * What a server asked for, ms, and a little more: those whom it told the same number are not to come back in step. A
 * twentieth of it, at least 1 s and at most 5 s wide: a hub of ours has given each a time of its own already.
 */
export function hintMs(retryAfterMs: number, random: Pick<Random, 'fraction'>): number {
  const askedMs = Math.min(hintMaxMs, Math.max(0, retryAfterMs))
  return askedMs + random.fraction() * Math.min(5_000, Math.max(1_000, askedMs / 20))
}

/** What a hub that could not do what it was asked by REST wants to be waited for, ms. */
export function retryAfterMsOf(error: Error): number | undefined {
  const seconds = error instanceof PerduraError ? error.details['retry_after'] : undefined
  return typeof seconds === 'number' && seconds >= 0 ? Math.min(hintMaxMs, seconds * 1_000) : undefined
}
