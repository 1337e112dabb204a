import type { World } from './world.ts'

interface Active {
  readonly conversation: string
  readonly kind: 'start' | 'message' | 'timer'
  readonly suspect: boolean
}

/**
 * Which handlers run side by side. A turn whose handler ran when its process died may have killed it: the next
 * process must run it with nothing beside it.
 */
export class Watch {
  readonly #world: World
  readonly #active = new Map<string, Active>()
  readonly #suspects = new Set<string>()

  constructor(world: World) {
    this.#world = world
  }

  begin(turn: string, kind: Active['kind'], conversation: string): void {
    const suspect = this.#suspects.has(turn)
    for (const [other, { conversation: same, suspect: alone }] of this.#active) {
      if (other === turn) this.#world.violate('order', `${turn} runs twice at once`)
      else if (same === conversation)
        this.#world.violate('order', `${other} and ${turn} run at once in ${same}`)
      if (alone) this.#world.violate('suspects-alone', `${turn} began beside the suspect ${other}`)
      if (suspect) this.#world.violate('suspects-alone', `the suspect ${turn} began beside ${other}`)
    }
    this.#active.set(turn, { conversation, kind, suspect })
  }

  /** The handler has ended, or its turn has. */
  end(turn: string): void {
    if (this.#active.delete(turn)) this.#suspects.delete(turn)
  }

  died(): void {
    for (const turn of this.#active.keys()) this.#suspects.add(turn)
    this.#active.clear()
  }
}
