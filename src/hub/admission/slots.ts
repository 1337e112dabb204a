import type { Clock } from '../../platform/clock.ts'
import type { Random } from '../../platform/random.ts'
import type { Rate } from '../../platform/token-bucket.ts'

/** Promises that are kept at a time; one more, and the oldest is forgotten: who comes with it is new again. */
const promisesMax = 100_000
/** How long a slot is kept for who does not come. */
const lateMaxMs = 60_000
/**
 * No slot is promised further ahead. Anybody can ask under any number of names, and never come: that must not tell
 * everybody else to come in hours. Who finds all taken comes again within this time, and is placed then.
 */
const aheadMaxMs = 600_000
/** What is added to a wait, so that many who were told the same come apart: a twentieth of it, within these bounds. */
const jitterMs = { min: 50, max: 1_000 }
/** A wait is never shorter: a caller that comes at once learns nothing. */
const waitMsMin = 50

/**
 * A budget of so many a second, with a schedule behind it. Who finds it used up is given a slot, one after the other at the
 * rate of the budget, and is expected then: so a crowd that is turned away comes back spread, each once, and all of it is in
 * after about backlog / rate. Who comes in its slot is let in even where the budget is a little overdrawn, since crowds do
 * not come to the millisecond; who comes before it is told to wait for that same slot, and costs nobody anything.
 *
 * Slots whose callers never come are not lost for good: once the budget is full again in spite of a schedule, others may
 * have what they left. In any T seconds at most rate × T + 2 × burst are let in, whatever comes.
 */
export class Slots<Caller> {
  readonly #clock: Clock
  readonly #random: Pick<Random, 'fraction'>
  readonly #rate: Rate
  /** By when each is due, monotonic ms: rising in the order of the map. */
  readonly #promised = new Map<Caller, number>()
  #left: number
  #filledMs: number
  #lastSlotMs = -Infinity

  constructor(clock: Clock, random: Pick<Random, 'fraction'>, rate: Rate) {
    this.#clock = clock
    this.#random = random
    this.#rate = rate
    this.#left = rate.burst
    this.#filledMs = clock.monotonicMs()
  }

  /** 0 where the caller may come in, which then counts; else when to come again, ms. Nobody may while it is `shut`. */
  ask(caller: Caller, shut = false): number {
    const nowMs = this.#fill()
    const slotMs = this.#promised.get(caller)
    if (!shut && this.#mayEnter(nowMs, slotMs)) {
      this.#left -= 1
      this.#promised.delete(caller)
      return 0
    }
    const dueMs = slotMs !== undefined && slotMs > nowMs ? slotMs : this.#promise(caller, nowMs)
    const waitMs = Math.max(waitMsMin, dueMs - nowMs)
    const spreadMs = Math.min(jitterMs.max, Math.max(jitterMs.min, waitMs / 20))
    return waitMs + this.#random.fraction() * spreadMs
  }

  #mayEnter(nowMs: number, slotMs: number | undefined): boolean {
    const { burst } = this.#rate
    if (slotMs !== undefined && slotMs <= nowMs) return this.#left - 1 >= -burst
    const isAhead = this.#lastSlotMs > nowMs
    return isAhead ? this.#left >= burst : this.#left >= 1
  }

  /** The slot after the last one that was promised, and not before the budget allows it; or when to ask for one again. */
  #promise(caller: Caller, nowMs: number): number {
    const stepMs = 1_000 / this.#rate.perSecond
    const slotMs = Math.max(this.#lastSlotMs + stepMs, nowMs + Math.max(1, 1 - this.#left) * stepMs)
    if (slotMs > nowMs + aheadMaxMs) return nowMs + aheadMaxMs * (0.5 + 0.5 * this.#random.fraction())
    this.#lastSlotMs = slotMs
    this.#promised.delete(caller)
    this.#promised.set(caller, slotMs)
    for (const [oldest, dueMs] of this.#promised) {
      if (dueMs + lateMaxMs > nowMs && this.#promised.size <= promisesMax) break
      this.#promised.delete(oldest)
    }
    return slotMs
  }

  #fill(): number {
    const { perSecond, burst } = this.#rate
    const nowMs = this.#clock.monotonicMs()
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#filledMs) / 1_000) * perSecond)
    this.#filledMs = nowMs
    return nowMs
  }
}
