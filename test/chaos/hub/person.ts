import { setTimeout as sleep } from 'node:timers/promises'
import type { Member } from './member.ts'
import type { Input } from './plan.ts'

export interface PersonOptions {
  readonly agent: Member
  readonly inputs: readonly Input[]
  /** Resolves when it is time for this input. */
  readonly permit: (input: Input) => Promise<void>
  readonly signal: AbortSignal
}

/** Hands an agent its inputs, in order, each until it is acknowledged. */
export class Person {
  readonly #options: PersonOptions
  #next = 0
  #lives = 0

  constructor(options: PersonOptions) {
    this.#options = options
  }

  /** How many of its inputs the agent has acknowledged. */
  get handedIn(): number {
    return this.#next
  }

  get isDone(): boolean {
    return this.#next >= this.#options.inputs.length
  }

  /**
   * The agent was put back to an earlier time, and may have lost what it has acknowledged since: all of it is handed in
   * again, in order, before anything else. What it still has it knows by the ids.
   */
  startOver(): void {
    this.#lives += 1
    this.#next = 0
  }

  async handIn(): Promise<void> {
    const { agent, inputs, permit, signal } = this.#options
    while (!signal.aborted) {
      const life = this.#lives
      const input = inputs[this.#next]
      if (input === undefined) return
      await permit(input)
      await agent.ready()
      if (signal.aborted) return
      // It was put back in the meantime: then this is not the input that comes first.
      if (life !== this.#lives) continue
      const accepted = await agent.ask({ type: 'ingest', input })
      if (life !== this.#lives) continue
      if (accepted) this.#next += 1
      // Its process has died, or its inbox is full.
      else await sleep(10)
    }
  }
}
