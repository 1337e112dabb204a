import type { Process } from '../platform/process.ts'
import { SimulatedDeath } from './death.ts'
import type { Owner } from './owner.ts'

/** One incarnation of a process: it lives until it crashes or is killed, and never again. */
export class SimulatedProcess implements Process, Owner {
  readonly pid: number
  readonly name: string
  #reason: Error | undefined
  readonly #onDeath = new Set<() => void>()

  constructor(options: { readonly pid?: number; readonly name?: string } = {}) {
    this.pid = options.pid ?? 1_000
    this.name = options.name ?? `process ${this.pid}`
  }

  get alive(): boolean {
    return this.#reason === undefined
  }

  /** What it died of. */
  get reason(): Error | undefined {
    return this.#reason
  }

  /** Called by the code that runs in it; the first reason is the one that counts. */
  crash(reason: Error): never {
    this.#die(reason)
    throw new SimulatedDeath(`${this.name} crashed: ${reason.message}`)
  }

  /** SIGKILL from outside: nothing that belongs to it runs any more. */
  kill(reason = 'killed'): void {
    this.#die(new Error(reason))
  }

  /** SIGKILL at this very point of the code that runs in it, from a hook of one of its ports. */
  dieHere(reason = 'killed'): never {
    this.kill(reason)
    throw new SimulatedDeath(`${this.name} died: ${reason}`)
  }

  check(): void {
    if (this.#reason !== undefined) throw new SimulatedDeath(`${this.name} is dead: ${this.#reason.message}`)
  }

  /** The system takes back what the dead one held. Returns the function that takes the listener off. */
  onDeath(listener: () => void): () => void {
    this.#onDeath.add(listener)
    return () => this.#onDeath.delete(listener)
  }

  #die(reason: Error): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    for (const listener of this.#onDeath) listener()
    this.#onDeath.clear()
  }
}
