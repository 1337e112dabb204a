import { PerduraError } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import type { CredentialFile } from './credential-file.ts'

export interface TokenLockOptions {
  readonly file: CredentialFile
  readonly clock: Pick<Clock, 'monotonicMs' | 'setTimer'>
  readonly random: Pick<Random, 'fraction'>
  /** Ends the waiting. */
  readonly signal: AbortSignal
  readonly waitMs: number
}

const pauseMs = { first: 5, last: 200 }

/**
 * Acts while no other process of the agent asks a hub for tokens. ERR_STORE_BUSY where another one does not come to an
 * end, which takes a process that has been stopped: one that dies leaves the lock.
 */
export async function withTokenLock<T>(options: TokenLockOptions, act: () => Promise<T>): Promise<T> {
  const { clock, file, random, signal, waitMs } = options
  const deadlineMs = clock.monotonicMs() + waitMs
  let lock = file.tryLockTokens()
  for (let nextMs = pauseMs.first; lock === undefined; nextMs = Math.min(pauseMs.last, nextMs * 1.5)) {
    if (signal.aborted) throw closed()
    if (clock.monotonicMs() > deadlineMs) {
      throw new PerduraError(
        'ERR_STORE_BUSY',
        'another process of this agent has been getting tokens for too long: look whether it is stopped, and end it',
      )
    }
    const restMs = nextMs * (0.5 + random.fraction())
    await new Promise<void>((resolve) => void clock.setTimer(restMs, resolve))
    lock = file.tryLockTokens()
  }
  try {
    return await act()
  } finally {
    lock.release()
  }
}

export function closed(): PerduraError {
  return new PerduraError('ERR_STORE_CLOSED', 'the agent is stopping: no more tokens are fetched')
}
