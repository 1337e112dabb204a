import type { Clock, Timer } from './clock.ts'

/** How often it looks, ms. */
const periodMs = 100
/** One that is always late ends after so many times its delay: a loop that is never on time must get on, too. */
const delaysMax = 4

/**
 * Calls `fire` after `delayMs` in which this process itself was running: for whoever decides on silence. Time is counted in
 * looks, and each adds at most twice its period, so that what this process slept through counts for nothing. After a look
 * that came late there is another one, which comes after what was waiting in the sockets has been read.
 */
export function setAwakeTimer(
  clock: Pick<Clock, 'monotonicMs' | 'setTimer'>,
  delayMs: number,
  fire: () => void,
): Timer {
  let ranMs = 0
  let lookedMs = clock.monotonicMs()
  let timer = arm()

  function arm(): Timer {
    return clock.setTimer(Math.min(periodMs, Math.max(1, delayMs - ranMs)), look)
  }

  function look(): void {
    const nowMs = clock.monotonicMs()
    const passedMs = nowMs - lookedMs
    lookedMs = nowMs
    ranMs += Math.min(passedMs, 2 * periodMs)
    const late = passedMs > 2 * periodMs
    if (ranMs >= delayMs && (!late || ranMs >= delayMs * delaysMax)) fire()
    else timer = arm()
  }

  return { cancel: () => timer.cancel() }
}
