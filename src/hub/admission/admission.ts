import type { Clock } from '../../platform/clock.ts'
import type { Random } from '../../platform/random.ts'
import { TokenBuckets } from '../../platform/token-bucket.ts'
import type { AdmissionLimits } from './limits.ts'
import { Slots } from './slots.ts'

/** Who wants a connection, as far as its token tells without asking anybody. */
export interface Caller {
  readonly address: string
  /** Undefined where the token opens nothing. */
  readonly agent: { readonly aiId: number; readonly resumes: boolean } | undefined
}

export type Admitted =
  /** `settled` is to be called once its handshake is over, however it ended. */
  | { readonly kind: 'admitted'; readonly settled: () => void }
  /** `crowded`: not now; `often`: it comes too often. */
  | { readonly kind: 'refused'; readonly why: 'crowded' | 'often'; readonly waitMs: number }

/** What decides who is let in; one for each process of a hub. */
export interface Admission {
  /** One that is refused must change nothing. */
  admit(caller: Caller): Admitted
  /** A login or a refresh; `subject` is whom it is about, and `free` says that another request has paid for it. */
  admitLogin(caller: { readonly address: string; readonly subject: string; readonly free: boolean }): Admitted
  /** Spreads those who are sent away over the time that it takes to let them in again: what each has to wait, ms. */
  spread(count: number): readonly number[]
}

/** Handshakes of one agent that may be under way at a time; one comes after the other, but for those that were cut off. */
const agentUnderWayMax = 32

export interface AdmissionOptions {
  readonly clock: Clock
  readonly random: Random
  readonly limits: AdmissionLimits
}

export function createAdmission(options: AdmissionOptions): Admission {
  return new BudgetedAdmission(options)
}

/**
 * Two budgets, so that new sessions never take what resumes need, and a third for logins, where a herd comes first whose
 * tokens have run out. Before them stand bounds for each agent and each address, which catch those who come again without
 * waiting as they were told.
 */
class BudgetedAdmission implements Admission {
  readonly #random: Random
  readonly #limits: AdmissionLimits
  readonly #resumes: Slots<number>
  readonly #newSessions: Slots<number>
  readonly #logins: Slots<string>
  readonly #agents: TokenBuckets<number>
  readonly #addresses: TokenBuckets<string>
  readonly #loginAddresses: TokenBuckets<string>
  readonly #badTokens: TokenBuckets<string>
  #underWay = 0
  /** By agent; of those that have any. */
  readonly #underWayOf = new Map<number, number>()
  #newUnderWay = 0

  constructor({ clock, random, limits }: AdmissionOptions) {
    this.#random = random
    this.#limits = limits
    this.#resumes = new Slots(clock, random, limits.resumes)
    this.#newSessions = new Slots(clock, random, limits.newSessions)
    this.#logins = new Slots(clock, random, limits.logins)
    this.#agents = new TokenBuckets(clock, limits.agent)
    this.#addresses = new TokenBuckets(clock, limits.address)
    this.#loginAddresses = new TokenBuckets(clock, limits.address)
    this.#badTokens = new TokenBuckets(clock, limits.badTokens)
  }

  admit({ address, agent }: Caller): Admitted {
    if (!this.#addresses.of(address).take()) return this.#often(this.#addresses.of(address).waitMs)
    if (agent === undefined) {
      const bad = this.#badTokens.of(address)
      return bad.take() ? { kind: 'admitted', settled: () => {} } : this.#often(bad.waitMs)
    }
    const own = this.#agents.of(agent.aiId)
    if (!own.take()) return this.#often(own.waitMs, own.waitMs)
    const { resumes, aiId } = agent
    // Open handshakes are what all share: no agent needs many.
    if ((this.#underWayOf.get(aiId) ?? 0) >= agentUnderWayMax) return this.#often(1_000)
    const isFull =
      this.#underWay >= this.#limits.underWayMax ||
      (!resumes && this.#newUnderWay >= this.#limits.underWayMax / 4)
    const waitMs = (resumes ? this.#resumes : this.#newSessions).ask(aiId, isFull)
    if (waitMs > 0) return { kind: 'refused', why: 'crowded', waitMs }
    return { kind: 'admitted', settled: this.#enter(aiId, resumes) }
  }

  admitLogin({
    address,
    subject,
    free,
  }: {
    readonly address: string
    readonly subject: string
    readonly free: boolean
  }): Admitted {
    const own = this.#loginAddresses.of(address)
    if (!own.take()) return this.#often(own.waitMs)
    const waitMs = free ? 0 : this.#logins.ask(subject)
    return waitMs > 0 ? { kind: 'refused', why: 'crowded', waitMs } : { kind: 'admitted', settled: () => {} }
  }

  spread(count: number): readonly number[] {
    const stepMs = 1_000 / this.#limits.resumes.perSecond
    return Array.from({ length: count }, (_, index) => (index + this.#random.fraction()) * stepMs)
  }

  #enter(aiId: number, resumes: boolean): () => void {
    this.#underWay += 1
    this.#underWayOf.set(aiId, (this.#underWayOf.get(aiId) ?? 0) + 1)
    if (!resumes) this.#newUnderWay += 1
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#underWay -= 1
      const own = (this.#underWayOf.get(aiId) ?? 1) - 1
      if (own > 0) this.#underWayOf.set(aiId, own)
      else this.#underWayOf.delete(aiId)
      if (!resumes) this.#newUnderWay -= 1
    }
  }

  /** Told apart, so that those of one address do not come back in step. */
  #often(waitMs: number, spreadMs = 5_000): Admitted {
    return { kind: 'refused', why: 'often', waitMs: Math.max(1, waitMs) + this.#random.fraction() * spreadMs }
  }
}
