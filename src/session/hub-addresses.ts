import type { Clock } from '../platform/clock.ts'
import { isLoopback } from '../platform/loopback.ts'
import { toError } from '../errors.ts'
import type { Log } from '../platform/log.ts'
import { hubAddress, type HubAddress } from './hub-address.ts'

export interface HubAddressesOptions {
  /** Addresses of one and the same hub, the preferred one first; at least one. */
  readonly list: readonly HubAddress[]
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly log: Log
}

/** How an attempt at an address, or a connection to it, has ended. */
export interface AddressFailure {
  readonly why: string
  /** It was online for so long that the address counts as a good one: it is tried again before the others. */
  readonly lasted?: boolean
  /** The hub said itself that it goes away there: the others are tried before it. */
  readonly leaving?: boolean
  /** Not to be tried there again before, as the hub has asked. */
  readonly retryAfterMs?: number | undefined
}

export interface NextAttempt {
  /**
   * Every address has had its attempt: the session's delay comes first, and grows. Otherwise the current one has had none
   * in this round, and is tried at once, so that a dead address among good ones delays nothing.
   */
  readonly isNewRound: boolean
  /** What the hub has asked to wait for at the current address, ms. */
  readonly waitMs: number
}

/**
 * Where a hub is to be reached: the addresses that a person named, tried in turn, and for a while the one that the hub
 * itself asked to come back to. One is current: what connects, logs in or asks anything goes there.
 *
 * Attempts are counted in rounds. An address that fails passes to the next one that has not been tried in this round;
 * when there is none, the round is over.
 */
export class HubAddresses {
  readonly #options: HubAddressesOptions
  readonly #tried = new Set<string>()
  /** Monotonic ms before which an address is left alone, by key. */
  readonly #notBefore = new Map<string, number>()
  /** Monotonic ms before which an address counts as another hub's, by key. */
  readonly #refusedUntil = new Map<string, number>()
  /** Where in the list the last attempt was made. */
  #index = 0
  #current: HubAddress
  #hint: HubAddress | undefined
  #hintFailures = 0

  constructor(options: HubAddressesOptions) {
    const [first] = options.list
    if (first === undefined) throw new RangeError('a hub has an address')
    this.#options = options
    this.#current = first
  }

  get list(): readonly HubAddress[] {
    return this.#options.list
  }

  get current(): HubAddress {
    return this.#current
  }

  /** Whether the session would rather be elsewhere. What the hub itself named is no such place. */
  get isFallback(): boolean {
    return this.#options.list.findIndex(({ key }) => key === this.#current.key) > 0
  }

  /** What the session would rather be at: addresses before the current one that are not to be left alone for now. */
  get preferred(): readonly HubAddress[] {
    const { list } = this.#options
    const at = list.findIndex(({ key }) => key === this.#current.key)
    return list
      .slice(0, Math.max(0, at))
      .filter((address) => !this.#isRefused(address) && this.#waitMs(address) === 0)
  }

  /** The next attempt is made there, in a new round. */
  returnTo(address: HubAddress): void {
    this.#tried.clear()
    this.#moveTo(address, 'it is preferred, and works again')
  }

  /** The session is online at the current address. */
  succeeded(): void {
    if (this.#current.key === this.#hint?.key) this.#hintFailures = 0
    else this.#hint = undefined
    this.#notBefore.delete(this.#current.key)
  }

  /** Chooses the address of the next attempt, and says how it is to be made. */
  failed({ why, lasted = false, leaving = false, retryAfterMs = 0 }: AddressFailure): NextAttempt {
    const failed = this.#current
    const nowMs = this.#options.clock.monotonicMs()
    if (retryAfterMs > 0) this.#notBefore.set(failed.key, nowMs + retryAfterMs)
    if (lasted) this.#tried.clear()
    if (!lasted || leaving) {
      this.#tried.add(failed.key)
      this.#countHint(failed)
    }
    const untried = this.#inTurn(this.#index).filter(({ key }) => !this.#tried.has(key))
    const next = untried.find((address) => this.#waitMs(address) === 0)
    if (next !== undefined) {
      this.#moveTo(next, why)
      return { isNewRound: lasted, waitMs: 0 }
    }
    this.#tried.clear()
    const all = this.#inTurn(this.#index + 1)
    const first = all.reduce((best, address) => (this.#waitMs(address) < this.#waitMs(best) ? address : best))
    this.#moveTo(first, why)
    return { isNewRound: true, waitMs: this.#waitMs(first) }
  }

  /**
   * Another hub answers at the current address: it is passed over for a while, and the others are tried. Undefined where
   * that is so of all that a person named.
   */
  refused(why: string): NextAttempt | undefined {
    const { list, clock, log } = this.#options
    const { key } = this.#current
    log.error('hub:address:refused', { address: key, reason: why })
    this.#refusedUntil.set(key, clock.monotonicMs() + refusedMs)
    if (key === this.#hint?.key) this.#hint = undefined
    return list.every((address) => this.#isRefused(address)) ? undefined : this.failed({ why })
  }

  /**
   * Where the hub asks to come back to: tried first from the next connection on, until it has failed three times, or an
   * address of the list works. One that cannot be followed is passed over: it may neither lead out of TLS, nor into this
   * machine from outside of it, nor out of it without TLS, nor hold a password or a path.
   */
  hint(url: string): void {
    const { log } = this.#options
    let address: HubAddress
    try {
      address = hubAddress(url)
    } catch (thrown) {
      // Its text may hold a password, so it is not repeated.
      log.warn('hub:hint:ignored', { reason: toError(thrown).message })
      return
    }
    const problem = hintProblem(this.#current, address)
    if (problem !== undefined) {
      log.warn('hub:hint:ignored', { hint: address.key, reason: problem })
      return
    }
    if (this.#hint?.key === address.key) return
    log.info('hub:hint:taken', { hint: address.key })
    this.#hint = address
    this.#hintFailures = 0
  }

  /** So much time has passed without the monotonic clock, or counts as passed: whoever asked to be left alone has been. */
  passed(ms: number): void {
    for (const [key, untilMs] of this.#notBefore) this.#notBefore.set(key, untilMs - ms)
  }

  #countHint({ key }: HubAddress): void {
    if (key !== this.#hint?.key) return
    this.#hintFailures += 1
    if (this.#hintFailures < hintFailuresMax) return
    this.#options.log.info('hub:hint:dropped', { hint: key, failures: this.#hintFailures })
    this.#hint = undefined
  }

  /** The hint, and the addresses of the list from one of them on. */
  #inTurn(from: number): HubAddress[] {
    const { list } = this.#options
    const hint = this.#hint
    const turn = list
      .map((_, index) => list[(from + index) % list.length] as HubAddress)
      .filter((address) => !this.#isRefused(address))
    return hint === undefined ? turn : [hint, ...turn.filter(({ key }) => key !== hint.key)]
  }

  #isRefused({ key }: HubAddress): boolean {
    return this.#options.clock.monotonicMs() < (this.#refusedUntil.get(key) ?? -Infinity)
  }

  #waitMs({ key }: HubAddress): number {
    return Math.max(0, (this.#notBefore.get(key) ?? 0) - this.#options.clock.monotonicMs())
  }

  #moveTo(address: HubAddress, why: string): void {
    const { list, log } = this.#options
    const index = list.findIndex(({ key }) => key === address.key)
    if (index >= 0) this.#index = index
    if (address.key === this.#current.key) return
    log.info('hub:address:changed', { from: this.#current.key, to: address.key, reason: why })
    this.#current = address
  }
}

/** Why the hub at one address may not lead to the other. */
function hintProblem({ rest: from }: HubAddress, { rest: to }: HubAddress): string | undefined {
  const [fromHere, toHere] = [isLoopback(from.host), isLoopback(to.host)]
  if (from.tls && !to.tls) return 'it has no TLS'
  if (toHere && !fromHere) return 'it names this machine'
  if (fromHere && !toHere && !to.tls) return 'it leads out of this machine, and has no TLS'
  return undefined
}

const hintFailuresMax = 3
/** After which somebody may have set right where an address leads. */
const refusedMs = 600_000
