import type { Clock } from '../../platform/clock.ts'

/** When a peer was heard of last, and who waits to hear of it. */
export class SignsOfLife {
  readonly #clock: Clock
  readonly #waiting = new Set<(answered: boolean) => void>()
  #heardMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#heardMs = clock.monotonicMs()
  }

  get silentMs(): number {
    return this.#clock.monotonicMs() - this.#heardMs
  }

  heard(): void {
    this.#heardMs = this.#clock.monotonicMs()
    for (const settle of this.#waiting) settle(true)
  }

  /** Whether anything is heard within `withinMs`. */
  next(withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (answered: boolean): void => {
        timer.cancel()
        this.#waiting.delete(settle)
        resolve(answered)
      }
      const timer = this.#clock.setTimer(withinMs, () => settle(false))
      this.#waiting.add(settle)
    })
  }

  /** Who is gone answers nothing any more, and nobody needs to wait for it. */
  end(): void {
    for (const settle of this.#waiting) settle(false)
  }
}
