import { toError } from '../errors.ts'
import type { SimulatedClock } from './clock.ts'
import type { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'

/** What an agent's handlers reach the simulated world with; it dies with the process that it was made for. */
export interface Outside {
  readonly random: SeededRandom
  /**
   * Asks something of the world over a network: `act` runs there a little later, and its result (or its error) comes
   * back later still. The request may get lost on the way there, so that nothing happens, or its answer on the way
   * back; both reject after a while, with an error that does not tell which. A request that is under way when the
   * process dies still arrives. `label` says what it is, for `underWay`; the world takes `slowMs` longer to do it.
   */
  request<T>(label: string, act: () => T, slowMs?: number): Promise<T>
  /** Resolves after virtual time; rejects when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Kills the process at this very point, as an endless loop or a lack of memory would. */
  die(): never
}

export interface NetworkRates {
  /** Chance that a request, or its answer, gets lost. */
  readonly lossRate: number
  /** A way takes up to this long, ms. */
  readonly latencyMsMax: number
}

const answerTimeoutMs = 500

/** The network between the agent and the world. */
export class Network {
  readonly #clock: SimulatedClock
  readonly #random: SeededRandom
  readonly #underWay = new Map<string, number>()
  rates: NetworkRates

  constructor(clock: SimulatedClock, random: SeededRandom, rates: NetworkRates) {
    this.#clock = clock
    this.#random = random
    this.rates = rates
  }

  /** Whether a request with this label may still arrive: until then nobody can say that it did not happen. */
  underWay(label: string): boolean {
    return this.#underWay.has(label)
  }

  /** Whether something gets lost now. */
  loses(): boolean {
    return this.#random.chance(this.rates.lossRate)
  }

  get delayMs(): number {
    return this.#random.int(1, this.rates.latencyMsMax)
  }

  for(process: SimulatedProcess): Outside {
    const clock = this.#clock
    return {
      random: this.#random,
      request: (label, act, slowMs = 0) => {
        process.check()
        return this.#request(process, label, act, slowMs)
      },
      sleep: (ms, signal) => {
        process.check()
        return new Promise((resolve, reject) => {
          const timer = clock.schedule(ms, resolve, process)
          const abort = (): void => {
            timer.cancel()
            reject(signal?.reason as Error)
          }
          if (signal?.aborted === true) abort()
          else signal?.addEventListener('abort', abort, { once: true })
        })
      },
      die: () => process.dieHere('killed by its own handler'),
    }
  }

  #request<T>(process: SimulatedProcess, label: string, act: () => T, slowMs: number): Promise<T> {
    const lost = this.loses() ? this.#random.pick(['request', 'answer'] as const) : undefined
    const thereMs = slowMs + this.delayMs
    const backMs = this.delayMs
    this.#underWay.set(label, (this.#underWay.get(label) ?? 0) + 1)
    return new Promise((resolve, reject) => {
      const noAnswer = (): void => {
        this.#clock.schedule(answerTimeoutMs, () => reject(new Error(`no answer to ${label}`)), process)
      }
      this.#clock.schedule(thereMs, () => {
        const count = (this.#underWay.get(label) ?? 1) - 1
        if (count === 0) this.#underWay.delete(label)
        else this.#underWay.set(label, count)
        if (lost === 'request') return noAnswer()
        let answer: () => void
        try {
          const result = act()
          answer = () => resolve(result)
        } catch (thrown) {
          const error = toError(thrown)
          answer = () => reject(error)
        }
        if (lost === 'answer') noAnswer()
        else this.#clock.schedule(backMs, answer, process)
      })
    })
  }
}
