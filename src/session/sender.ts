import { toError } from '../errors.ts'
import { sleep, type Clock, type Timer } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import { SenderCredit } from '../protocol/credit.ts'
import type { Credit, PublishAckFrame } from '../protocol/frames.ts'
import { hintMaxMs } from './backoff.ts'
import type { Outbound, SettledVerdict } from './position.ts'

export interface SenderOptions {
  readonly clock: Clock
  readonly log: Log
  /** What the hub allows from the beginning. */
  readonly credit: Credit
  /** Messages without a verdict from `seq` on, in order. */
  readonly pending: (seq: number, countMax: number) => readonly Outbound[]
  readonly settle: (verdicts: readonly SettledVerdict[]) => Promise<void>
  /** Sends one and says how many bytes its frame had. */
  readonly publish: (message: Outbound) => number
  /** The hub asks for a number that the outbox does not have: only another numbering helps. */
  readonly misnumbered: (problem: string) => void
  readonly failed: (problem: string) => void
  /** The hub has decided about a message; how long that took from its being sent. */
  readonly onVerdict?: ((durationMs: number) => void) | undefined
}

const pageMax = 64
const retryMs = 500
const settleDelayMs = 20

/**
 * Publishes what is committed to the outbox, in order, many at a time within the hub's credit, and notes the verdicts. A
 * message that was published on an earlier connection and has no verdict here is published again: the hub knows it, and
 * gives the same verdict. Where the hub could not take one (`retry`), or misses one (`expected`), all that is under way
 * after it is answered first, and then it goes on from there.
 */
export class Sender {
  readonly #options: SenderOptions
  /** Published and unanswered, by seq. */
  readonly #underWay = new Map<number, Pick<Outbound, 'seq' | 'id'> & { readonly sentMs: number }>()
  readonly #credit: SenderCredit
  #next = 1
  #backTo: number | undefined
  #waitMs = 0
  #timer: Timer | undefined
  #verdicts: SettledVerdict[] = []
  #busy = false
  #settling = Promise.resolve()
  #stopped = false
  #finished: (() => void) | undefined

  constructor(options: SenderOptions) {
    this.#options = options
    this.#credit = new SenderCredit(options.credit)
  }

  /**
   * The connection is over. Verdicts that are not being written yet are dropped: they are asked for again, whereas one
   * that was noted after the next `resume` might be of a hub that has been put back since. Resolves when all is at rest.
   */
  stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    return this.#settling
  }

  /** Publishes nothing more. Resolves when everything under way has its verdict, and that is on the disk. */
  finish(): Promise<void> {
    return new Promise((resolve) => {
      this.#finished = resolve
      this.#checkFinished()
    })
  }

  grant(credit: Credit): void {
    this.#credit.grant(credit)
    this.look()
  }

  /** There may be something to publish. */
  look(): void {
    if (this.#finished !== undefined) return
    const { clock, publish } = this.#options
    while (!this.#stopped && this.#backTo === undefined && this.#timer === undefined && this.#credit.isOpen) {
      const room = Math.min(pageMax, this.#credit.messagesLeft)
      const page = this.#options.pending(this.#next, room)
      if (page.length === 0) return
      for (const message of page) {
        if (!this.#credit.isOpen) return
        const { seq, id } = message
        this.#underWay.set(seq, { seq, id, sentMs: clock.monotonicMs() })
        this.#next = seq + 1
        this.#credit.spend(publish(message))
      }
    }
  }

  verdict(frame: PublishAckFrame): void {
    const message = this.#underWay.get(frame.seq)
    if (this.#stopped || message === undefined) return
    this.#underWay.delete(frame.seq)
    const { seq, id, sentMs } = message
    const { clock, onVerdict } = this.#options
    if (frame.result === 'ok' || frame.result === 'refused') onVerdict?.(clock.monotonicMs() - sentMs)
    if (frame.result === 'ok') this.#note({ seq, id, result: 'ok' })
    else if (frame.result === 'refused') this.#note({ seq, id, result: 'refused', error: errorOf(frame) })
    else this.#goBack(frame)
    this.#goOn()
    this.#checkFinished()
  }

  #goBack(frame: PublishAckFrame): void {
    const to = frame.result === 'expected' ? (frame.expected_seq ?? frame.seq) : frame.seq
    this.#backTo = Math.min(this.#backTo ?? Infinity, to)
    if (frame.result !== 'retry') return
    this.#waitMs = Math.max(this.#waitMs, Math.min(hintMaxMs, frame.retry_after_ms ?? retryMs))
  }

  /** Once everything that was under way behind the hole has been answered, publishing begins again at the hole. */
  #goOn(): void {
    if (this.#backTo === undefined || this.#underWay.size > 0) return
    const backTo = this.#backTo
    const [first] = this.#options.pending(backTo, 1)
    if (first !== undefined && first.seq !== backTo) {
      this.#options.misnumbered(`the hub expects ${backTo}, and the outbox begins at ${first.seq}`)
      return
    }
    this.#backTo = undefined
    this.#next = backTo
    const waitMs = this.#waitMs
    this.#waitMs = 0
    this.#timer = this.#options.clock.setTimer(waitMs, () => {
      this.#timer = undefined
      this.look()
    })
  }

  #note(verdict: SettledVerdict): void {
    this.#verdicts.push(verdict)
    if (!this.#busy) this.#settling = this.#settle()
  }

  async #settle(): Promise<void> {
    this.#busy = true
    // Nobody waits for it, and what comes within a moment shares its commit: a verdict that gets lost is asked for again.
    await sleep(this.#options.clock, settleDelayMs)
    while (this.#verdicts.length > 0 && !this.#stopped) {
      const batch = this.#verdicts
      this.#verdicts = []
      try {
        await this.#options.settle(batch)
        // With the room that they made, more has got a number.
        this.look()
      } catch (thrown) {
        // They stay pending, and their verdicts are asked for again with the next connection.
        this.#options.log.warn('session:outbox:failed', { error: toError(thrown) })
        this.#options.failed('the verdicts could not be written')
        break
      }
    }
    this.#busy = false
    this.#checkFinished()
  }

  #checkFinished(): void {
    if (this.#underWay.size + this.#verdicts.length === 0 && !this.#busy) this.#finished?.()
  }
}

function errorOf({ code, error }: PublishAckFrame): string {
  return `${code ?? 'ERR_HUB_PROTOCOL'}: ${error ?? 'the hub refused it, and did not say why'}`
}
