/**
 * Thrown by every port of a dead process: its code must not go on. Nothing recovers from it; production code that
 * catches everything meets it again at the next port that it touches.
 */
export class SimulatedDeath extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'SimulatedDeath'
  }
}

export function isDeath(thrown: unknown): boolean {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (error instanceof SimulatedDeath) return true
  }
  return false
}

const events = ['unhandledRejection', 'uncaughtException'] as const
type Listener = (...values: unknown[]) => void

let watchers = 0
let displaced: { event: (typeof events)[number]; listeners: Listener[] }[] = []
let found: unknown[] = []

/**
 * A dead process leaves promises that nobody handles: their rejections are its death, not a failure of the test.
 * While this is on, they are dropped; the others are kept for `strayErrors`, so that a bug in simulated code fails
 * the simulation. Returns the function that ends it.
 */
export function watchStrayErrors(): () => void {
  watchers += 1
  if (watchers === 1) {
    displaced = events.map((event) => ({ event, listeners: process.listeners(event as never) as Listener[] }))
    for (const event of events) {
      process.removeAllListeners(event)
      process.on(event, keepUnlessDeath)
    }
  }
  return () => {
    watchers -= 1
    if (watchers > 0) return
    for (const { event, listeners } of displaced) {
      process.removeListener(event, keepUnlessDeath)
      for (const listener of listeners) process.on(event, listener as never)
    }
    displaced = []
  }
}

/** What was thrown since the last call and handled by nobody. */
export function strayErrors(): unknown[] {
  const errors = found
  found = []
  return errors
}

function keepUnlessDeath(thrown: unknown): void {
  if (!isDeath(thrown)) found.push(thrown)
}
