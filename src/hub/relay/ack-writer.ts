import { sleep, type Clock } from '../../platform/clock.ts'
import type { AckOutcome } from '../cursor.ts'
import type { Actor } from '../publishing.ts'
import type { Relay } from './relay.ts'

const delayMs = 20

export interface Position {
  readonly epoch: string
  readonly offset: number
}

/**
 * Writes acknowledgements one at a time, a moment after they come: nobody waits for them, and one that gets lost is made
 * good by the next `resume`. What comes meanwhile is one more, since the last says what the others said: so an agent
 * that sends many takes no more of the storage's queue than one that sends few.
 */
export class AckWriter {
  readonly #write: (position: Position) => Promise<AckOutcome>
  readonly #refused: (position: Position, outcome: AckOutcome) => void
  readonly #failed: (error: unknown) => void
  readonly #clock: Clock
  #next: Position | undefined
  #busy = false

  constructor(options: {
    readonly clock: Clock
    readonly write: (position: Position) => Promise<AckOutcome>
    readonly refused: (position: Position, outcome: AckOutcome) => void
    readonly failed: (error: unknown) => void
  }) {
    this.#clock = options.clock
    this.#write = options.write
    this.#refused = options.refused
    this.#failed = options.failed
  }

  add(position: Position): void {
    const next = this.#next
    // A late one takes nothing back; one of another epoch is for the hub to judge.
    if (next?.epoch === position.epoch && next.offset > position.offset) return
    this.#next = position
    if (!this.#busy) void this.#run()
  }

  async #run(): Promise<void> {
    this.#busy = true
    try {
      await sleep(this.#clock, delayMs)
      for (let position = this.#next; position !== undefined; position = this.#next) {
        this.#next = undefined
        const outcome = await this.#write(position)
        if (outcome === 'beyond' || outcome === 'resume_again') this.#refused(position, outcome)
      }
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#busy = false
    }
  }
}

/** Writes the acknowledgements of one connection. */
export function createAckWriter(
  { clock, storage, parts }: Relay,
  actor: Actor,
  told: {
    readonly beyond: (offset: number) => void
    readonly otherEpoch: () => void
    readonly failed: (error: unknown) => void
  },
): AckWriter {
  return new AckWriter({
    clock,
    write: ({ epoch, offset: position }) =>
      storage.write((tx) => parts.acknowledge(tx, actor, { epoch, position }, clock.now())),
    refused: ({ offset }, outcome) => (outcome === 'beyond' ? told.beyond(offset) : told.otherEpoch()),
    failed: told.failed,
  })
}
