import { PerduraError } from '../errors.ts'
import { type Clock, sleep } from './clock.ts'
import type { Random } from './random.ts'
import { retryAfterMs } from './retry-after.ts'
import type { RetryBudget, RetryCause } from './retry-budget.ts'

export interface AttemptParts {
  readonly clock: Pick<Clock, 'monotonicMs' | 'setTimer'>
  readonly random: Pick<Random, 'fraction'>
  readonly budget: RetryBudget
}

/** What came of an attempt that may be made again, and the least wait before, ms. */
export interface Trouble {
  readonly cause: RetryCause
  readonly retryAfterMs: number
}

const attemptsMax = 3
const delayMs = 100
/** A server that wants to be left alone for longer is left to whoever called: there may be others to ask. */
const waitMsMax = 2_000

/**
 * The attempts at one call that may be repeated: up to three within its one deadline, each of which gets half of it, or
 * what is left in the end. What a server has asked to wait for is waited for, and a jitter longer.
 */
export class Attempts {
  readonly #parts: AttemptParts
  readonly #wholeMs: number
  readonly #deadlineMs: number
  #made = 0

  constructor(parts: AttemptParts, timeoutMs: number) {
    this.#parts = parts
    this.#wholeMs = timeoutMs
    this.#deadlineMs = parts.clock.monotonicMs() + timeoutMs
  }

  /** Longest time for the attempt that comes next, ms; 0 where the deadline is over. */
  get timeoutMs(): number {
    const leftMs = Math.max(0, this.#deadlineMs - this.#parts.clock.monotonicMs())
    return Math.min(leftMs, this.#wholeMs / 2)
  }

  /**
   * Waits for the next attempt. False where there is none, and what the last one came to stands: it would come too late for
   * the deadline, the budget does not cover it, or the call has been called off.
   */
  async another({ cause, retryAfterMs: askedMs }: Trouble, signal?: AbortSignal): Promise<boolean> {
    const { clock, random, budget } = this.#parts
    this.#made += 1
    if (this.#made >= attemptsMax) return false
    // Full jitter, over a range that doubles.
    const waitMs = askedMs + random.fraction() * delayMs * 2 ** (this.#made - 1)
    if (waitMs > waitMsMax || clock.monotonicMs() + waitMs >= this.#deadlineMs) return false
    if (!budget.take(cause)) return false
    await sleep(clock, waitMs, signal)
    return !(signal?.aborted ?? false)
  }
}

/**
 * Undefined for what is an answer: only 408, 425 and 429 of what is refused, and what failed in the server, may pass. A
 * server that is asked too often, and does not say when to come back, is not asked again.
 */
export function troubleOfStatus(
  status: number,
  headers: Parameters<typeof retryAfterMs>[0],
): Trouble | undefined {
  const askedMs = retryAfterMs(headers)
  const isFailure = status === 425 || (status >= 500 && status !== 501 && status !== 505)
  const isTimeout = status === 408 || status === 504
  if (!isFailure && !isTimeout && !(status === 429 && askedMs !== undefined)) return undefined
  return { cause: isTimeout ? 'timeout' : 'failure', retryAfterMs: askedMs ?? 0 }
}

/** Undefined for what no repetition changes. */
export function troubleOfError(error: unknown): Trouble | undefined {
  if (!(error instanceof PerduraError) || error.code !== 'ERR_HTTP_UNREACHABLE') return undefined
  const { reason } = error.details
  if (reason === 'aborted') return undefined
  return { cause: reason === 'timeout' ? 'timeout' : 'failure', retryAfterMs: 0 }
}
