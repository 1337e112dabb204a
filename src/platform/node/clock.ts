import type { Clock, Timer } from '../clock.ts'

/** The longest delay that Node's timers take; a longer one would fire after 1 ms. */
const delayMaxMs = 2 ** 31 - 1

export function createNodeClock(): Clock {
  return {
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    setTimer,
    defer: (run) => {
      setImmediate(run)
    },
  }
}

function setTimer(delayMs: number, fire: () => void): Timer {
  const dueMs = performance.now() + delayMs
  let handle = arm()

  function arm(): NodeJS.Timeout {
    const restMs = Math.ceil(dueMs - performance.now())
    return setTimeout(onTimeout, Math.min(delayMaxMs, Math.max(0, restMs)))
  }

  // Node's timers count whole milliseconds of a time of their own and may be early by the clock that set this one.
  function onTimeout(): void {
    if (performance.now() < dueMs) handle = arm()
    else fire()
  }

  return { cancel: () => clearTimeout(handle) }
}
