import type { AgentEvents } from './agent.ts'

type Listener<Name extends keyof AgentEvents> = (event: AgentEvents[Name]) => void

/** Typed events of one agent. Listeners must not throw; they are called in the order in which they came. */
export class Emitter {
  readonly #listeners = new Map<keyof AgentEvents, Set<Listener<never>>>()

  on<Name extends keyof AgentEvents>(name: Name, listener: Listener<Name>): () => void {
    let listeners = this.#listeners.get(name)
    if (listeners === undefined) this.#listeners.set(name, (listeners = new Set()))
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  emit<Name extends keyof AgentEvents>(name: Name, event: AgentEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) (listener as Listener<Name>)(event)
  }
}
