/** A turn whose handler runs now. */
export interface RunningTurn {
  readonly turn: number
  readonly attempt: number
  readonly forMs: number
}

/** How the turns of an agent get on. */
export interface Progress {
  /** Turns whose handler runs, the oldest first. */
  readonly turns: readonly RunningTurn[]
  /** For how long there has been work that could be done, while no handler runs and nothing moves; 0 where that is not so. */
  readonly stalledMs: number
}

export interface ProgressFacts {
  readonly turns: readonly RunningTurn[]
  /** Entries that could be begun now, and turns that were begun and are in no handler: they are being written. */
  readonly waiting: number
  /** For how long an entry that waited to be tried again could have been, ms. */
  readonly overdueMs: number
  /** Monotonic ms when a turn was begun, ended or put back for the last time, or when there was something to do again. */
  readonly movedMs: number
  readonly nowMs: number
}

/**
 * A turn that awaits something, be it for half an hour, is work: its own time-out bounds it. Stalled is an agent that could go
 * on and does not.
 */
export function progressOf({ turns, waiting, overdueMs, movedMs, nowMs }: ProgressFacts): Progress {
  const stillMs = Math.max(0, Math.round(nowMs - movedMs))
  const stalledMs = turns.length > 0 ? 0 : waiting > 0 ? stillMs : Math.min(stillMs, overdueMs)
  return { turns, stalledMs }
}
