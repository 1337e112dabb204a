import { queues, type Queue } from '../../../src/queue/pauses.ts'
import type { SeededRandom, SimulatedClock } from '../../../src/testing/index.ts'
import type { AgentMachine } from './machines.ts'
import type { Mishaps } from './mishaps.ts'
import type { QueueWatch } from './queue-watch.ts'
import { agentNames, nobody } from './work.ts'

export interface OwnerOptions {
  readonly clock: SimulatedClock
  readonly random: SeededRandom
  readonly mishaps: Mishaps
  readonly watch: QueueWatch
  readonly machineOf: (name: string) => AgentMachine | undefined
  readonly count: (what: string) => void
}

/** The person whose agents they are: pauses queues and lets them go on, purges what waits, and tries again what was refused. */
export class Owner {
  readonly #options: OwnerOptions
  readonly #paused = new Map<string, Queue[]>()
  #calm = false
  #rounds = 0

  constructor(options: OwnerOptions) {
    this.#options = options
  }

  start(mishapsMs: number): void {
    const { clock, random, mishaps } = this.#options
    const sometime = (act: () => void): void => void clock.schedule(random.int(2_000, mishapsMs - 1), act)
    for (let count = 0; count < mishaps.pauses; count++)
      sometime(() => void this.#pause(random.pick(agentNames)))
    for (let count = 0; count < mishaps.purges; count++)
      sometime(() => void this.#purge(random.pick(agentNames)))
    for (let count = 0; count < mishaps.retries; count++)
      sometime(() => void this.#retry(random.pick(agentNames)))
  }

  /** Nobody meddles any more: everything goes on, and what was refused is tried again until it gets through. */
  becomeCalm(): void {
    this.#calm = true
    void this.#settle()
  }

  /** What still has to be done before everything is at rest. */
  unrest(): string[] {
    const waits = [...this.#paused.keys()].map((name) => `${name} is paused`)
    return this.#options.mishaps.retries === 0 ? waits : [...waits, ...this.#open()]
  }

  /** Messages that were refused for want of room, and were not tried again. */
  #open(): string[] {
    return agentNames.flatMap((name) => {
      const rows = this.#options
        .machineOf(name)
        ?.agent?.reader.all<{ sequence: number }>(
          `SELECT sequence FROM outbox WHERE status = 'refused' AND retried_as IS NULL AND recipient <> '${nobody}'`,
        )
      return (rows ?? []).map(({ sequence }) => `${name} has the dead letter ${sequence}`)
    })
  }

  async #settle(): Promise<void> {
    const { clock, mishaps, machineOf } = this.#options
    for (const [name, paused] of this.#paused) await this.#goOn(name, paused)
    if (mishaps.retries > 0) {
      for (const name of agentNames) {
        const letters = machineOf(name)?.agent?.reader.all<{ sequence: number }>(
          `SELECT sequence FROM outbox WHERE status = 'refused' AND retried_as IS NULL AND recipient <> '${nobody}'`,
        )
        for (const { sequence } of letters ?? []) {
          await this.#ask(name, (machine) => machine.agent?.queue.retryMessage(sequence))
        }
      }
    }
    // Later and later, so that what never gets through costs little.
    clock.schedule(2_000 * 2 ** this.#rounds, () => void this.#settle())
    this.#rounds = Math.min(this.#rounds + 1, 3)
  }

  async #pause(name: string): Promise<void> {
    const { random, clock, watch, count } = this.#options
    if (this.#calm || this.#paused.has(name)) return
    const paused = random.pick([['inbox'], ['outbox'], [...queues]] as const) as Queue[]
    this.#paused.set(name, paused)
    if (await this.#ask(name, (machine) => machine.agent?.queue.pause(paused))) {
      count('pause')
      for (const queue of paused) watch.paused(name, queue, true)
    }
    clock.schedule(random.int(500, 15_000), () => void this.#resume(name, paused))
  }

  async #resume(name: string, paused: Queue[]): Promise<void> {
    if (this.#calm) return
    await this.#goOn(name, paused)
    if (this.#paused.has(name)) this.#options.clock.schedule(500, () => void this.#resume(name, paused))
  }

  async #goOn(name: string, paused: readonly Queue[]): Promise<void> {
    // From when it is asked for, it may happen at any time.
    for (const queue of paused) this.#options.watch.paused(name, queue, false)
    if (await this.#ask(name, (machine) => machine.agent?.queue.resume(paused))) this.#paused.delete(name)
  }

  async #purge(name: string): Promise<void> {
    if (this.#calm) return
    if (await this.#ask(name, (machine) => machine.agent?.queue.purgePending())) this.#options.count('purge')
  }

  async #retry(name: string): Promise<void> {
    if (this.#calm) return
    if (await this.#ask(name, (machine) => machine.agent?.queue.retryAll(['outbox'])))
      this.#options.count('retry')
  }

  /** Whether it was answered; a process that dies meanwhile answers nothing. */
  async #ask(name: string, act: (machine: AgentMachine) => Promise<unknown> | undefined): Promise<boolean> {
    const machine = this.#options.machineOf(name)
    const process = machine?.process
    if (machine?.agent === undefined || process?.alive !== true) return false
    const died = new Promise<boolean>((resolve) => process.onDeath(() => resolve(false)))
    const asked = Promise.resolve(act(machine)).then(
      () => true,
      () => false,
    )
    return (await Promise.race([asked, died])) && process.alive
  }
}
