import type { Clock, Timer } from '../../platform/clock.ts'
import type { ServiceNotifier } from '../../platform/service-notifier.ts'

/** What a manager is told of a service that runs. */
export interface ServiceFacts {
  /** One line on how it is, for `systemctl status`. */
  readonly status: () => string
  /**
   * Whether what this process is for goes on. Where it does not, the manager hears nothing more, and starts the process anew
   * when its patience ends: a loop that turns and does nothing is as bad as one that stands still.
   */
  readonly healthy: () => boolean
}

/** How often the status is looked at where the manager does not want to hear more often, ms. */
const statusEveryMs = 10_000

/** Tells the manager of this process when it is ready, that it lives, and that it ends. */
export class ServiceReport {
  readonly #notifier: ServiceNotifier
  readonly #clock: Pick<Clock, 'setTimer'>
  #timer: Timer | undefined
  #said = ''

  constructor(notifier: ServiceNotifier, clock: Pick<Clock, 'setTimer'>) {
    this.#notifier = notifier
    this.#clock = clock
  }

  /** From now on the service counts as started, and is heard of; also at the end of a reload. */
  async ready(facts: ServiceFacts): Promise<void> {
    this.#said = facts.status()
    this.#watch(facts)
    await this.#notifier.tell({ READY: '1', STATUS: this.#said })
  }

  /** Settings are read anew; `ready` ends it. `monotonicUs`, of CLOCK_MONOTONIC, tells this reload from one before. */
  async reloading(monotonicUs: bigint): Promise<void> {
    await this.#notifier.tell({ RELOADING: '1', MONOTONIC_USEC: String(monotonicUs) })
  }

  /** It begins to end, and will have ended after `deadlineMs`: the manager waits so long, where it would have waited less. */
  async stopping(deadlineMs: number): Promise<void> {
    await this.#notifier.tell({
      STOPPING: '1',
      STATUS: 'stopping',
      EXTEND_TIMEOUT_USEC: String(Math.ceil(deadlineMs * 1_000)),
    })
  }

  /** Lets the manager hear nothing more, and this process end. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #watch(facts: ServiceFacts): void {
    this.#timer?.cancel()
    const everyMs = Math.min(statusEveryMs, (this.#notifier.watchdogMs ?? Infinity) / 2)
    this.#timer = this.#clock.setTimer(everyMs, () => {
      this.#tick(facts)
      this.#watch(facts)
    })
  }

  #tick({ status, healthy }: ServiceFacts): void {
    const said = status()
    const isHeard = this.#notifier.watchdogMs !== undefined && healthy()
    const fields = { ...(isHeard && { WATCHDOG: '1' }), ...(said !== this.#said && { STATUS: said }) }
    this.#said = said
    if (Object.keys(fields).length > 0) void this.#notifier.tell(fields)
  }
}
