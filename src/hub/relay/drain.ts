import type { Clock, Timer } from '../../platform/clock.ts'
import type { Random } from '../../platform/random.ts'
import type { Admission } from '../admission/admission.ts'
import type { Registry } from './registry.ts'

/** How one connection is sent away, in ms from now. */
export interface DrainCourse {
  /** When it is ended, if its peer has not ended it by then. */
  readonly closeMs: number
  /** When at the latest, whatever is under way on it. */
  readonly lastMs: number
  /** From its end on: when its peer is to come back. */
  readonly reconnectMs: number
}

/** How long a hub that is started again takes at least. */
const restartMs = 500
/** Clients of v1 come back at once, since nothing can be said to them: so many ms apart, as far as the grace goes. */
const plainStepMs = 10

/**
 * Sends all peers away. Ours are told, and leave once what they have under way is answered; those that do not are ended in
 * the second half of the grace, one after the other. They come back spread over the time that it takes to let them in.
 */
export function drain(options: {
  readonly registry: Registry
  readonly admission: Admission
  readonly random: Random
  readonly graceMs: number
}): void {
  const { registry, admission, random, graceMs } = options
  const members = registry.members()
  const waits = admission.spread(members.length)
  const plainStep = Math.min(plainStepMs, (graceMs * 0.8) / Math.max(1, members.length))
  const lastMs = graceMs * 0.9
  for (const [index, member] of members.entries()) {
    const closeMs = member.isPlain ? index * plainStep : graceMs * (0.5 + 0.35 * random.fraction())
    const reconnectMs = restartMs + (waits[index] ?? 0)
    member.drain({ closeMs, lastMs, reconnectMs })
  }
}

/** Calls `close` at the time of the course, and when what is under way is answered; once, and never after `cancel`. */
export class Leaving {
  #timers: Timer[] = []
  #over = false

  constructor(
    clock: Clock,
    { closeMs, lastMs }: DrainCourse,
    settled: () => Promise<void>,
    close: () => void,
  ) {
    const end = (): void => {
      if (this.#over) return
      this.cancel()
      close()
    }
    this.#timers = [
      clock.setTimer(Math.floor(closeMs), () => void settled().then(end)),
      clock.setTimer(Math.floor(Math.max(closeMs, lastMs)), end),
    ]
  }

  cancel(): void {
    this.#over = true
    for (const timer of this.#timers) timer.cancel()
  }
}
