import { PerduraError } from '../../errors.ts'
import type { CloseReason } from '../../protocol/close-codes.ts'
import { ReceiverCredit } from '../../protocol/credit.ts'
import type { Credit, HubFrame, PublishEnvelope } from '../../protocol/frames.ts'
import type { Actor, Publication } from '../publishing.ts'
import type { FrameGuard } from './frame-guard.ts'
import { expectedFrame, retryFrame, verdictFrame } from './publication.ts'
import type { Relay } from './relay.ts'

export interface IntakeOptions {
  readonly relay: Relay
  readonly actor: Actor
  readonly guard: FrameGuard
  readonly send: (frame: HubFrame) => void
  readonly ended: (reason: CloseReason, text: string) => void
  readonly failed: (error: unknown) => void
}

/** Takes in what an agent publishes on one connection, and answers it: as it came, and one for each. */
export class Intake {
  readonly #options: IntakeOptions
  readonly #credit: ReceiverCredit
  /** Resolves once all that came so far is answered. */
  #answered: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#credit = new ReceiverCredit(options.relay.limits.publishWindow)
  }

  /** What the agent may publish. */
  get granted(): Credit {
    return this.#credit.granted
  }

  stop(): void {
    this.#stopped = true
  }

  /** Resolves once all that has come by now is answered. */
  settled(): Promise<void> {
    return this.#answered
  }

  take(frame: PublishEnvelope, publication: Publication, bytes: number): void {
    const { relay, actor, guard, send, ended } = this.#options
    if (!this.#credit.take(bytes)) return ended('protocol_error', 'publish: more than the credit allows')
    const isInTime = relay.publishRates.of(actor.aiId).take()
    // An agent that waits as it is told has not so many of them: this one does not.
    if (!isInTime && !guard.take()) return ended('rate', 'publish: far more than is taken')
    const answer = isInTime ? this.#decide(frame, publication) : () => send(retryFrame(frame))
    this.#answered = this.#answer(answer, bytes, this.#answered)
  }

  /** What is to be done about it. */
  async #decide(frame: PublishEnvelope, publication: Publication): Promise<() => void> {
    const { relay, actor, send, ended, failed } = this.#options
    const { storage, parts, streamLimits, clock, random, registry } = relay
    const place = { producerEpoch: frame.producer_epoch, seq: frame.seq }
    try {
      const outcome = await storage.write((tx) =>
        parts.publishInOrder(tx, streamLimits, actor, place, publication, { now: clock.now(), random }),
      )
      switch (outcome.kind) {
        case 'verdict':
          registry.wake(outcome.verdict.recipients)
          return () => send(verdictFrame(frame, outcome.verdict))
        case 'expected':
          return () => send(expectedFrame(frame, outcome.seq))
        case 'resume_again':
          return () => ended('resume_again', 'the numbering is not the hub’s')
      }
    } catch (error) {
      const isOutage = error instanceof PerduraError && error.code === 'ERR_HUB_STORAGE'
      return isOutage ? () => send(retryFrame(frame)) : () => failed(error)
    }
  }

  /** One whose answer is known at once waits for those before it. */
  async #answer(
    coming: (() => void) | Promise<() => void>,
    bytes: number,
    before: Promise<void>,
  ): Promise<void> {
    const answer = await coming
    await before
    if (this.#stopped) return
    answer()
    const granted = this.#credit.handled({ messages: 1, bytes })
    if (granted !== undefined && !this.#stopped) this.#options.send({ type: 'credit', ...granted })
  }
}
