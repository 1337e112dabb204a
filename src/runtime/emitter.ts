import { toError } from '../errors.ts'
import type { AgentEvents } from './agent.ts'

type Listener<Name extends keyof AgentEvents> = (event: AgentEvents[Name]) => void

/**
 * Typed events of one agent. Listeners are called in the order in which they came. One that throws is reported and
 * changes nothing: what it is told of has happened, and others wait for it.
 */
export class Emitter {
  readonly #listeners = new Map<keyof AgentEvents, Set<Listener<never>>>()
  readonly #onError: (event: keyof AgentEvents, error: Error) => void

  constructor(onError: (event: keyof AgentEvents, error: Error) => void) {
    this.#onError = onError
  }

  on<Name extends keyof AgentEvents>(name: Name, listener: Listener<Name>): () => void {
    let listeners = this.#listeners.get(name)
    if (listeners === undefined) this.#listeners.set(name, (listeners = new Set()))
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  emit<Name extends keyof AgentEvents>(name: Name, event: AgentEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        ;(listener as Listener<Name>)(event)
      } catch (thrown) {
        this.#onError(name, toError(thrown))
      }
    }
  }
}
