/** A timer that has been set; cancelling one that has fired does nothing. */
export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall-clock milliseconds since 1970. It may jump in either direction; use it for dates, never for waiting. */
  now(): number
  /** Milliseconds that never go back, from an arbitrary start. */
  monotonicMs(): number
  /** Calls `fire` once after `delayMs` of monotonic time (bounds 0 to 2^31-1). */
  setTimer(delayMs: number, fire: () => void): Timer
  /** Calls `run` after the I/O events that are ready now: lets a loop of commits breathe. */
  defer(run: () => void): void
}

/** Resolves after `delayMs`, or at once when `signal` aborts; never rejects. */
export function sleep(clock: Pick<Clock, 'setTimer'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve()
      return
    }
    const finish = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = clock.setTimer(delayMs, finish)
    signal?.addEventListener('abort', finish)
  })
}
