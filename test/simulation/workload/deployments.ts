import type { StateMigration } from '../../../src/agent/definition.ts'
import { PerduraError } from '../../../src/index.ts'
import type { Incarnation, SeededRandom } from '../../../src/testing/index.ts'
import type { World } from './world.ts'

/** One version of the agent's code, as it was put on the machine. */
export interface Deployment {
  readonly version: number
  /** Its last step does not do what it should. */
  readonly broken: 'throws' | 'spoils' | undefined
}

interface Migrated {
  readonly sum: unknown
  readonly migrated: readonly number[]
}

const versionMax = 5

/**
 * The versions of the code as they come to the machine, a start each at most. One that cannot take the state along is mended
 * or withdrawn before a later start.
 */
export class Deployments {
  readonly #random: SeededRandom
  readonly #world: World
  readonly #rate: number
  readonly #by = new Map<number, Deployment>()
  #last: Deployment = { version: 1, broken: undefined }
  #firstReady: number | undefined
  /** The version that its state was made by. */
  #born: number | undefined

  constructor(world: World, random: SeededRandom, enabled: boolean) {
    this.#world = world
    this.#random = random
    this.#rate = enabled && random.chance(0.4) ? 0.3 : 0
  }

  /** What the incarnation runs. */
  of(incarnation: number): Deployment {
    const deployment = this.#next()
    this.#last = deployment
    this.#by.set(incarnation, deployment)
    return deployment
  }

  /** Whether the start had to be refused, and nothing else was the matter. */
  explains({ number, startError }: Incarnation): boolean {
    const refused = startError instanceof PerduraError && startError.code === 'ERR_STATE_MIGRATION'
    return refused && this.#by.get(number)?.broken !== undefined
  }

  /** Every step was taken once, in order, and nothing of one that failed is there. */
  checkStart({ number, agent, safeMode }: Incarnation): void {
    const deployment = this.#by.get(number)
    if (agent === undefined || safeMode || deployment === undefined) return
    const { version } = deployment
    this.#firstReady ??= version
    const { reader } = agent
    const row = reader.get<{ value: string }>("SELECT value FROM state WHERE key = 'migrated'")
    const migrated = JSON.parse(row?.value ?? '[]') as number[]
    const first = version - migrated.length
    const stored = reader.get<{ value: number }>("SELECT value FROM counters WHERE name = 'state.version'")
    const inOrder = migrated.every((from, index) => from === first + index)
    this.#born ??= first
    const whole = first === this.#born && first >= 1 && first <= this.#firstReady
    if (inOrder && whole && stored?.value === version) return
    this.#world.violate(
      'migrated-once',
      `start ${number} of version ${version} has state of version ${stored?.value} that took the steps from ${migrated.join(', ') || 'none'}`,
    )
  }

  #next(): Deployment {
    const { version } = this.#last
    if (this.#last.broken !== undefined) {
      if (this.#random.chance(0.3)) return this.#last
      return { version: this.#random.chance(0.5) ? version : version - 1, broken: undefined }
    }
    if (version === versionMax || !this.#random.chance(this.#rate)) return this.#last
    // It may have slept through one.
    const next = Math.min(versionMax, version + this.#random.int(1, 2))
    const broken = this.#random.pick([undefined, undefined, 'throws', 'spoils'] as const)
    // An agent without a state has nothing to migrate, so that nothing can go wrong there.
    return { version: next, broken: this.#firstReady === undefined ? undefined : broken }
  }
}

/** The steps that a version of the code brings along. */
export function stepsOf({ version, broken }: Deployment): Record<number, StateMigration> {
  const steps: Record<number, StateMigration> = {}
  for (let from = 1; from < version; from++) {
    const last = from === version - 1
    steps[from] = (state: Migrated) => {
      const next = { ...state, migrated: [...state.migrated, from] }
      if (last && broken === 'throws') throw new Error(`the step from ${from} fails`)
      return last && broken === 'spoils' ? { ...next, sum: 'spoilt' } : next
    }
  }
  return steps
}
