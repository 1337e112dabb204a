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
    const restMs = dueMs - performance.now()
    if (restMs > delayMaxMs) return setTimeout(() => (handle = arm()), delayMaxMs)
    // Rounded up: Node truncates to whole milliseconds, and a timer must not be early by the clock that set it.
    return setTimeout(fire, Math.max(0, Math.ceil(restMs)))
  }

  return { cancel: () => clearTimeout(handle) }
}
