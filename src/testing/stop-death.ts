import type { LogFields } from '../platform/log.ts'
import type { Boundaries } from './boundaries.ts'
import type { SimulatedClock } from './clock.ts'
import type { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'

const stages = ['turns', 'outbox', 'hub', 'state'] as const
const boundariesMax = 12

/**
 * The death of a process while it stops: at once when one of the stages of its end is over, as its log says, or some calls of
 * its disk and database after that.
 */
export class StopDeath {
  readonly #random: SeededRandom
  readonly #clock: SimulatedClock
  readonly #boundaries: Boundaries
  #planned:
    | { readonly stage: string; readonly boundaries: number; readonly process: SimulatedProcess }
    | undefined

  constructor(random: SeededRandom, clock: SimulatedClock, boundaries: Boundaries) {
    this.#random = random
    this.#clock = clock
    this.#boundaries = boundaries
  }

  /** Perhaps: `rate` is how often. */
  plan(rate: number, process: SimulatedProcess): void {
    if (!this.#random.chance(rate)) return
    const boundaries = this.#random.chance(0.3) ? 0 : this.#random.int(1, boundariesMax)
    this.#planned = { stage: this.#random.pick(stages), boundaries, process }
  }

  /** Returns the stage that it happens in, when it does. */
  logged(event: string, { stage }: LogFields): string | undefined {
    const planned = this.#planned
    if (event !== 'agent:stop:stage' || planned === undefined || stage !== planned.stage) return undefined
    this.#planned = undefined
    if (!planned.process.alive) return undefined
    if (planned.boundaries > 0) this.#boundaries.aimAt('', planned.boundaries)
    else
      this.#clock.schedule(
        0,
        () => planned.process.kill(`killed after the stage ${planned.stage}`),
        planned.process,
      )
    return planned.stage
  }
}
