import type { Mishaps } from './mishaps.ts'
import type { Work } from './work.ts'

/** What nobody can know any more in a seed, because those who knew it were put back, or are copies of each other. */
export class Forgotten {
  readonly #work: Work
  readonly #mishaps: Mishaps

  constructor(work: Work, mishaps: Mishaps) {
    this.#work = work
    this.#mishaps = mishaps
  }

  /**
   * Where the sender is put back too, neither knows any more what was accepted, and what refused. And of two copies one
   * does not know what the other has sent, and a hub that was put back knows neither.
   */
  get verdicts(): boolean {
    const { waitingMax, hubRestores, agentRestores, clones, moves } = this.#mishaps
    return hubRestores > 0 && (clones > 0 || moves > 0 || (waitingMax < 100 && agentRestores > 0))
  }

  /**
   * A hub that is put back may forget that it refused something for want of room, before its sender has noted it: it is
   * then accepted behind what came after.
   */
  get order(): boolean {
    return this.verdicts || (this.#mishaps.hubRestores > 0 && this.#mishaps.waitingMax < 100)
  }

  /**
   * Whether who was told that a message has expired may have sent it before, or another copy of it have, or its hub have
   * forgotten that it was fetched.
   */
  get expiry(): boolean {
    const { hubRestores, agentRestores, clones, moves } = this.#mishaps
    return hubRestores > 0 || agentRestores > 0 || clones > 0 || moves > 0
  }

  /** Where hub and agent have forgotten it, nobody can know which session it was. A copy knows no more than one that was put back. */
  get session(): boolean {
    const { hubRestores, agentRestores, clones, moves } = this.#mishaps
    return hubRestores > 0 && agentRestores + clones + moves > 0
  }

  /**
   * Whether one of the messages on the way to this one, or itself, may have expired and been sent all the same, behind what came
   * after it: an agent or a hub that was put back has forgotten that it had given it up, and so has a copy of an agent.
   */
  mayComeLate(label: string): boolean {
    return this.expiry && this.#hasTtl(label)
  }

  /** Whether it may have been fetched, called expired by a hub that had forgotten that, and been sent again by a person. */
  mayComeTwice(label: string): boolean {
    return this.expiry && this.#mishaps.retries > 0 && this.#hasTtl(label)
  }

  #hasTtl(label: string): boolean {
    const parts = label.split('/')
    return parts.some((_, index) => {
      const own = parts.slice(0, index + 1).join('/')
      return this.#work.messages.get(own)?.ttlMs !== undefined
    })
  }
}
