import type { HubParts } from '../../../src/hub/parts.ts'
import type { Invariant } from './judge.ts'
import type { Mishaps } from './mishaps.ts'

export interface TokenJudgeParts {
  readonly mishaps: Pick<Mishaps, 'thieves' | 'clones'>
  violate(invariant: Invariant, message: string): void
  count(what: string): void
}

/** Holds what must hold of tokens: one of a login is live, and nobody but a thief is taken for one. */
export class TokenJudge {
  readonly #parts: TokenJudgeParts

  constructor(parts: TokenJudgeParts) {
    this.#parts = parts
  }

  /** The hub's decision about a refresh token, watched: only the leaf and the one before it get a successor. */
  standing(standing: HubParts['standing']): HubParts['standing'] {
    return (family, presented, now) => {
      const place = standing(family, presented, now)
      const isLive = presented.jti === family.leaf
      const isBefore = presented.jti === family.previous
      this.#parts.count(`token:${place}`)
      if ((place === 'leaf' && !isLive) || (place === 'previous' && !isBefore)) {
        this.#parts.violate(
          'one-live-leaf',
          `token ${presented.rotation} of a login that has been exchanged ${family.rotations} times counts as ${place}`,
        )
      }
      return place
    }
  }

  log(machine: string, event: string, fields: Readonly<Record<string, unknown>>): void {
    if (event === 'session:credentials:compromised') this.#parts.count('theft:told')
    if (event.startsWith('credentials:refresh:')) this.#parts.count(event)
    if (event !== 'hub:token:replayed') return
    const { clones, thieves } = this.#parts.mishaps
    this.#parts.count('theft:noticed')
    // Two copies of one folder have the same tokens: one of them is taken for a thief, and both get in by the key.
    if (thieves > 0 || clones > 0) return
    this.#parts.violate(
      'no-reuse-alarm',
      `${machine} took ${String(fields['agent'])} for a thief: ${JSON.stringify(fields)}`,
    )
  }
}
