import { PerduraError, type ErrorCode } from '../errors.ts'
import type { Tx } from '../store/store.ts'

export interface BoundLimits {
  readonly countMax: number
  readonly bytesMax: number
}

/**
 * What a queue holds, kept in memory beside the rows, so that no count has to scan them. It moves with the
 * transaction: what is undone there is undone here.
 */
export class Bound {
  readonly #code: ErrorCode
  readonly #what: string
  readonly #limits: BoundLimits
  #count: number
  #bytes: number

  constructor(
    code: ErrorCode,
    what: string,
    limits: BoundLimits,
    held: { readonly count: number; readonly bytes: number },
  ) {
    this.#code = code
    this.#what = what
    this.#limits = limits
    this.#count = held.count
    this.#bytes = held.bytes
  }

  get count(): number {
    return this.#count
  }

  get room(): number {
    return this.#bytes >= this.#limits.bytesMax ? 0 : Math.max(0, this.#limits.countMax - this.#count)
  }

  /** Refuses what does not fit: the newest, never what is there already. */
  add(tx: Tx, sizeBytes: number): void {
    if (this.#count + 1 > this.#limits.countMax || this.#bytes + sizeBytes > this.#limits.bytesMax) {
      throw new PerduraError(
        this.#code,
        `${this.#what} holds ${this.#count} entries of ${this.#bytes} bytes and takes no more until some are done: try again later`,
        { details: { count: this.#count, bytes: this.#bytes } },
      )
    }
    this.#move(1, sizeBytes)
    tx.onUndo(() => this.#move(-1, -sizeBytes))
  }

  /** Puts back what is known to have been counted once: it is there already, whatever the bound says. */
  restore(sizeBytes: number): void {
    this.#move(1, sizeBytes)
  }

  remove(sizeBytes: number): void {
    this.#move(-1, -sizeBytes)
  }

  #move(count: number, bytes: number): void {
    this.#count += count
    this.#bytes += bytes
  }
}
