import { toError } from '../errors.ts'
import { sleep, type Clock, type Timer } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { Random } from '../platform/random.ts'
import type { Store, Tx } from '../store/store.ts'
import type { ExpiredMessage } from './outbox-expiry.ts'
import type { OutboxParts } from './outbox-parts.ts'
import type { PauseTable } from './pauses.ts'
import { markTried, recipientsWaiting, underWayTo, unmarkTried } from './outbox-tried.ts'
import { readOutgoing, settleOutgoing, type Outgoing, type Verdict } from './outbox.ts'

export interface OutboxPumpOptions {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly outbox: OutboxParts
  readonly pauses: PauseTable
  /** Wall-clock ms, no later than it can be: what is due by it has expired. */
  readonly dueBy: () => number
  /** Hands one message to its recipient. May be asked again for the same one: recipients know it by its id. */
  readonly deliver: (message: Outgoing) => Promise<Verdict>
  readonly onSettled: (message: Outgoing, verdict: Verdict) => void
  readonly onExpired: (messages: readonly ExpiredMessage[]) => void
}

interface Recipient {
  /** Messages that were handed over, which one in eight of is the oldest. */
  turns: number
  attempts: number
  busy: boolean
  /** There is something new to look at. */
  again: boolean
  timer: Timer | undefined
}

const retryMinMs = 250
const retryMaxMs = 30_000
const expiredMax = 100

/**
 * Delivers what is committed to the outbox, one at a time for each recipient, the most urgent first and in order within a
 * conversation; what a recipient cannot take now is tried again, later and later, jitter applied after the cap. What waits
 * stays in the database, however much it is.
 */
export class OutboxPump {
  readonly #options: OutboxPumpOptions
  readonly #recipients = new Map<string, Recipient>()
  #closed = false
  #underWay = 0
  readonly #inFlight = new Set<number>()
  #idle: (() => void) | undefined

  constructor(options: OutboxPumpOptions) {
    this.#options = options
  }

  /** What is being handed over now, and perhaps arrives. */
  get inFlight(): ReadonlySet<number> {
    return this.#inFlight
  }

  start(): void {
    this.look()
  }

  /** Numbers are for hubs. */
  committing(_tx: Tx): void {}

  look(to?: string): void {
    const waiting = to === undefined ? recipientsWaiting(this.#options.store.reader) : [to]
    for (const name of waiting) {
      let recipient = this.#recipients.get(name)
      if (recipient === undefined) {
        recipient = { turns: 0, attempts: 0, busy: false, again: false, timer: undefined }
        this.#recipients.set(name, recipient)
      }
      recipient.again = true
      this.#pump(name, recipient)
    }
  }

  /** Waits until nothing can be delivered now, for `deadlineMs`: recipients that are away are not waited for. */
  async flush(deadlineMs: number, hurry?: AbortSignal): Promise<void> {
    if (this.#underWay === 0) return
    const over = new AbortController()
    const wake = (): void => over.abort()
    this.#idle = wake
    hurry?.addEventListener('abort', wake)
    await sleep(this.#options.clock, deadlineMs, over.signal)
    hurry?.removeEventListener('abort', wake)
  }

  /** Stops delivering. What is under way and not settled is sent again by the next process. */
  async close(): Promise<void> {
    this.#closed = true
    for (const { timer } of this.#recipients.values()) timer?.cancel()
  }

  #pump(to: string, recipient: Recipient): void {
    if (this.#closed || recipient.busy || recipient.timer !== undefined) return
    if (!recipient.again) {
      this.#recipients.delete(to)
      return
    }
    recipient.busy = true
    recipient.again = false
    this.#underWay += 1
    void this.#deliverNext(to, recipient).then((outcome) => {
      recipient.busy = false
      this.#underWay -= 1
      if (outcome !== 'nothing') recipient.again = true
      if (outcome === 'retry') this.#retryLater(to, recipient)
      else this.#pump(to, recipient)
      if (this.#underWay === 0) this.#idle?.()
    })
  }

  async #deliverNext(to: string, recipient: Recipient): Promise<'done' | 'retry' | 'nothing'> {
    const { store, clock, log, outbox, pauses, deliver, onSettled } = this.#options
    const { reader } = store
    if (pauses.since(reader, 'outbox') !== undefined) return 'nothing'
    let sequence: number | undefined
    try {
      sequence =
        underWayTo(reader, to) ?? outbox.nextWaiting(reader, { turn: recipient.turns + 1, to })?.sequence
      if (sequence === undefined) return 'nothing'
      const message = await this.#take(sequence)
      if (message === undefined) return 'done'
      this.#inFlight.add(sequence)
      const verdict = await deliver(message)
      if (verdict.verdict === 'retry') {
        log.debug('outbox:delivery:failed', { to, sequence, reason: verdict.error })
        await this.#noteTry(message, verdict)
        return 'retry'
      }
      const error = verdict.verdict === 'refused' ? { error: verdict.error } : {}
      await store.write((tx) =>
        settleOutgoing(tx, message.sequence, { status: verdict.verdict, ...error }, clock.now()),
      )
      recipient.turns += 1
      recipient.attempts = 0
      onSettled(message, verdict)
      return 'done'
    } catch (thrown) {
      log.warn('outbox:delivery:failed', { to, sequence: sequence ?? 0, error: toError(thrown) })
      return 'retry'
    } finally {
      if (sequence !== undefined) this.#inFlight.delete(sequence)
    }
  }

  /**
   * The message as it is to be handed over; undefined where it has expired. One that is good for a while only is noted to be
   * on its way first: should the process end, nobody would know whether it has arrived, and it must not expire.
   */
  async #take(sequence: number): Promise<Outgoing | undefined> {
    const { store, outbox, dueBy, onExpired } = this.#options
    const message = readOutgoing(store.reader, sequence)
    if (message === undefined || message.isUnderWay) return message
    const { expiresAt } = message
    if (message.ttlMs === undefined && (expiresAt === undefined || expiresAt > dueBy())) return message
    return store.write((tx) => {
      const bounds = { now: dueBy(), countMax: expiredMax, except: this.#inFlight }
      const expired = outbox.expireDue(tx, bounds)
      tx.onCommit(() => onExpired(expired))
      return markTried(tx, sequence, undefined) ? message : undefined
    })
  }

  /** Why it has not arrived is for whoever looks; and what certainly has not, waits again as before. */
  async #noteTry(
    message: Outgoing,
    { error, isOpen = false }: Verdict & { readonly verdict: 'retry' },
  ): Promise<void> {
    const { sequence, isUnderWay } = message
    if (!isUnderWay && !isOpen && message.ttlMs !== undefined) {
      await this.#options.store.write((tx) => unmarkTried(tx, sequence, error))
    } else if (isUnderWay ? message.error !== error : isOpen) {
      await this.#options.store.write((tx) => markTried(tx, sequence, error))
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
