import { toError } from '../errors.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { Random } from '../platform/random.ts'
import type { Store } from '../store/store.ts'
import { pendingOutgoing, readOutgoing, settleOutgoing, type Outgoing, type Verdict } from './outbox.ts'

export interface OutboxPumpOptions {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Hands one message to its recipient. May be asked again for the same one: recipients know it by its id. */
  readonly deliver: (message: Outgoing) => Promise<Verdict>
  readonly onSettled: (message: Outgoing, verdict: Verdict) => void
}

interface Recipient {
  readonly queue: number[]
  attempts: number
  busy: boolean
  timer: Timer | undefined
}

const retryMinMs = 250
const retryMaxMs = 30_000

/**
 * Delivers what is committed to the outbox, in order for each recipient, one at a time; what a recipient cannot take
 * now stays at its place and is tried again, later and later, jitter applied after the cap.
 */
export class OutboxPump {
  readonly #options: OutboxPumpOptions
  readonly #recipients = new Map<string, Recipient>()
  #closed = false
  #underWay = 0
  #idle: (() => void) | undefined

  constructor(options: OutboxPumpOptions) {
    this.#options = options
  }

  /** Takes over what is pending. */
  start(): void {
    for (const { sequence, to } of pendingOutgoing(this.#options.store.reader)) this.add(sequence, to)
  }

  /** A message has been committed. */
  add(sequence: number, to: string): void {
    let recipient = this.#recipients.get(to)
    if (recipient === undefined) {
      recipient = { queue: [], attempts: 0, busy: false, timer: undefined }
      this.#recipients.set(to, recipient)
    }
    recipient.queue.push(sequence)
    this.#pump(to, recipient)
  }

  /** Stops delivering; what is under way is waited for, for `deadlineMs`: what is not settled then is sent again. */
  async close(deadlineMs: number): Promise<void> {
    this.#closed = true
    for (const { timer } of this.#recipients.values()) timer?.cancel()
    if (this.#underWay === 0) return
    const idle = new Promise<void>((resolve) => (this.#idle = resolve))
    const timer = this.#options.clock.setTimer(deadlineMs, () => this.#idle?.())
    await idle
    timer.cancel()
  }

  #pump(to: string, recipient: Recipient): void {
    if (this.#closed || recipient.busy || recipient.timer !== undefined) return
    const sequence = recipient.queue[0]
    if (sequence === undefined) {
      this.#recipients.delete(to)
      return
    }
    recipient.busy = true
    this.#underWay += 1
    void this.#deliver(sequence, recipient).then((retry) => {
      recipient.busy = false
      this.#underWay -= 1
      if (this.#underWay === 0) this.#idle?.()
      if (retry) this.#retryLater(to, recipient)
      else this.#pump(to, recipient)
    })
  }

  /** Whether it must be tried again. */
  async #deliver(sequence: number, recipient: Recipient): Promise<boolean> {
    const { store, clock, log, deliver, onSettled } = this.#options
    try {
      const message = readOutgoing(store.reader, sequence)
      if (message !== undefined) {
        const verdict = await deliver(message)
        if (verdict.verdict === 'retry') {
          log.debug('outbox:delivery:failed', { to: message.to, sequence, reason: verdict.error })
          return true
        }
        const error = verdict.verdict === 'refused' ? { error: verdict.error } : {}
        await store.write((tx) =>
          settleOutgoing(tx, sequence, { status: verdict.verdict, ...error }, clock.now()),
        )
        onSettled(message, verdict)
      }
      recipient.queue.shift()
      recipient.attempts = 0
      return false
    } catch (thrown) {
      log.warn('outbox:delivery:failed', { sequence, error: toError(thrown) })
      return true
    }
  }

  #retryLater(to: string, recipient: Recipient): void {
    if (this.#closed) return
    const { clock, random } = this.#options
    const capMs = Math.min(retryMaxMs, retryMinMs * 2 ** recipient.attempts)
    recipient.attempts = Math.min(recipient.attempts + 1, 30)
    recipient.timer = clock.setTimer(retryMinMs / 2 + random.fraction() * capMs, () => {
      recipient.timer = undefined
      this.#pump(to, recipient)
    })
  }
}
