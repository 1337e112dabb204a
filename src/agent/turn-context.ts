import { AsyncLocalStorage } from 'node:async_hooks'

/** The attempt of a turn from which something was begun: a promise, a timer. */
export interface TurnInContext {
  /** A promise that its handler left alone was rejected, and nobody caught it. */
  stray(error: Error): void
}

const context = new AsyncLocalStorage<TurnInContext>()

/** Calls `call`; whatever it begins can be told to be the turn's. */
export function withinTurn<T>(turn: TurnInContext, call: () => T): T {
  return context.run(turn, call)
}

/** The attempt in whose course this code runs, if any. */
export function turnInContext(): TurnInContext | undefined {
  return context.getStore()
}
