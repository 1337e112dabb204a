import { toError } from '../errors.ts'
import type { ClockDoubt } from '../platform/clock-doubt.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { Store } from '../store/store.ts'
import type { ExpiredMessage } from './outbox-expiry.ts'
import type { OutboxParts } from './outbox-parts.ts'

export interface OutboxClockOptions {
  readonly store: Store
  readonly clock: Clock
  readonly doubt: ClockDoubt
  readonly log: Log
  readonly outbox: OutboxParts
  /** What is being handed over now, and perhaps arrives. */
  readonly inFlight: () => ReadonlySet<number>
  readonly onExpired: (messages: readonly ExpiredMessage[]) => void
}

/** That transactions stay short, and turns wait for milliseconds only. */
const batchRows = 200
/** At least so often, since the wall clock may jump. */
const lookMsMax = 60_000
const retryMs = 5_000

/** Expires what waits in the outbox when its time is over. */
export class OutboxClock {
  readonly #options: OutboxClockOptions
  #timer: Timer | undefined
  /** When the timer fires, on the monotonic clock. */
  #atMs = Infinity
  #busy = false
  #closed = false

  constructor(options: OutboxClockOptions) {
    this.#options = options
  }

  start(): void {
    void this.#run()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  /** A message has been committed that expires then (wall-clock ms). */
  add(expiresAt: number): void {
    const { clock, doubt } = this.#options
    const inMs = Math.max(1, expiresAt - doubt.earliest())
    if (!this.#busy && clock.monotonicMs() + inMs < this.#atMs) this.#wait(inMs)
  }

  async #run(): Promise<void> {
    const { store, doubt, log, outbox, inFlight, onExpired } = this.#options
    this.#busy = true
    let inMs = retryMs
    try {
      for (;;) {
        const now = doubt.earliest()
        const next = store.reader.get<{ at: number | null }>(
          `SELECT min(expires_at) AS at FROM outbox INDEXED BY outbox_expiry
           WHERE status = 'pending' AND ordinal IS NULL`,
        )?.at
        inMs = Math.min(lookMsMax, (next ?? Infinity) - now)
        if (this.#closed || inMs > 0) break
        const bounds = { now, countMax: batchRows, except: inFlight() }
        const expired = await store.write((tx) => outbox.expireDue(tx, bounds))
        onExpired(expired)
        if (expired.length > 0) continue
        inMs = retryMs
        break
      }
    } catch (thrown) {
      inMs = retryMs
      log.warn('outbox:expiry:failed', { error: toError(thrown) })
    }
    this.#busy = false
    if (!this.#closed) this.#wait(inMs)
  }

  #wait(inMs: number): void {
    const { clock } = this.#options
    this.#timer?.cancel()
    this.#atMs = clock.monotonicMs() + inMs
    this.#timer = clock.setTimer(inMs, () => void this.#run())
  }
}
