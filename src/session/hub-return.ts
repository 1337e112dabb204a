import type { Clock, Timer } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { Random } from '../platform/random.ts'
import type { HubAddress } from './hub-address.ts'
import type { HubAddresses } from './hub-addresses.ts'

export interface HubReturnOptions {
  readonly clock: Pick<Clock, 'setTimer'>
  readonly random: Pick<Random, 'fraction'>
  readonly log: Log
  readonly addresses: Pick<HubAddresses, 'current' | 'isFallback' | 'preferred'>
  /**
   * Whether the hub of this session answers there; whether it is that hub is asked the first time only, since that is
   * part of what a hub in trouble refuses. Never rejects.
   */
  readonly probe: (address: HubAddress, signal: AbortSignal, isFirst: boolean) => Promise<boolean>
  /** The session is to go there. */
  readonly onReturn: (address: HubAddress) => void
}

const lookMs = 180_000
const lookMsMax = 3_600_000
const stableMs = 30_000

/**
 * Leads a session back that is online at a later address of its hub, so that a failover is not for ever. Every three
 * minutes the addresses before the present one are asked; when the same one has answered well twice, with half a minute to
 * a minute in between, the session goes there. Both times are drawn anew each time, so that agents which were driven out
 * together do not come back together. After a return that came to nothing it looks half as often, down to once an hour.
 */
export class HubReturn {
  readonly #options: HubReturnOptions
  #timer: Timer | undefined
  #looking = new AbortController()
  /** Has answered well once. */
  #good: HubAddress | undefined
  /** Where the session was led to; until a connection there has lasted, nobody knows whether that was right. */
  #target: HubAddress | undefined
  /** Returns in a row that came to nothing. */
  #failures = 0

  constructor(options: HubReturnOptions) {
    this.#options = options
  }

  /** The session is online at the current address. */
  start(): void {
    const { current, isFallback } = this.#options.addresses
    if (this.#target !== undefined && this.#target.key !== current.key) {
      this.#failures += 1
      this.#target = undefined
    }
    if (isFallback) this.#lookIn(this.#intervalMs())
  }

  /** The connection is over; `lasted` as in `AddressFailure`. To be told before the current address changes. */
  stop(lasted: boolean): void {
    this.#timer?.cancel()
    this.#looking.abort()
    this.#looking = new AbortController()
    this.#good = undefined
    if (!lasted || this.#target?.key !== this.#options.addresses.current.key) return
    this.#target = undefined
    this.#failures = 0
  }

  #lookIn(delayMs: number): void {
    this.#timer = this.#options.clock.setTimer(delayMs, () => void this.#look(this.#looking.signal))
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { addresses, random, log, onReturn } = this.#options
    const good = await this.#firstGood(addresses.preferred, signal)
    if (signal.aborted) return
    if (good === undefined) {
      this.#good = undefined
      this.#lookIn(this.#intervalMs())
    } else if (this.#good?.key === good.key) {
      log.info('hub:address:returning', { from: addresses.current.key, to: good.key })
      this.#target = good
      onReturn(good)
    } else {
      this.#good = good
      this.#lookIn(stableMs * (1 + random.fraction()))
    }
  }

  async #firstGood(candidates: readonly HubAddress[], signal: AbortSignal): Promise<HubAddress | undefined> {
    for (const address of candidates) {
      const isFirst = this.#good?.key !== address.key
      if ((await this.#options.probe(address, signal, isFirst)) || signal.aborted) return address
    }
    return undefined
  }

  #intervalMs(): number {
    const meanMs = Math.min(lookMsMax, lookMs * 2 ** this.#failures)
    return meanMs * (0.5 + this.#options.random.fraction())
  }
}
