import { textOf } from '../json.ts'
import { ClockDoubt } from '../platform/clock-doubt.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { Random } from '../platform/random.ts'
import { Bound } from '../queue/bound.ts'
import { OutboxClock } from '../queue/outbox-clock.ts'
import type { ExpiredMessage } from '../queue/outbox-expiry.ts'
import type { SettledMessage } from '../queue/outbox-numbers.ts'
import { findLetter, linkResent, purgeWaiting } from '../queue/outbox-letters.ts'
import { OutboxPump } from '../queue/outbox-pump.ts'
import {
  appendOutgoing,
  expireTerminal,
  settleTerminal,
  terminal,
  type NewOutgoing,
  type Outgoing,
  type TerminalRead,
  type Verdict,
} from '../queue/outbox.ts'
import type { Store, Tx } from '../store/store.ts'
import type { AgentLimits } from './agent-limits.ts'
import type { Emitter } from './emitter.ts'
import type { HubLinkOptions, Outlet } from './hub/hub-link.ts'
import type { HubSessions } from './hub/hub-sessions.ts'
import { heldIn } from './held-in.ts'
import type { AgentParts } from './parts.ts'

/** What a way through a hub needs of the outbox. */
export type LinkSinks = Pick<HubLinkOptions, 'outboxBound' | 'dueBy' | 'onSettled' | 'onExpired'>

export interface AgentOutboxOptions {
  readonly name: string
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits: AgentLimits
  readonly parts: AgentParts
  readonly emitter: Emitter
  /** The way through a hub; without one, messages go wherever `deliver` takes them. */
  readonly link: ((sinks: LinkSinks) => Outlet) | undefined
  readonly deliver: (message: Outgoing) => Promise<Verdict>
}

/** What an agent has to send: its bound, its way out, what expires of it, and who is told. */
export class AgentOutbox {
  readonly #options: AgentOutboxOptions
  readonly #bound: Bound
  readonly #doubt: ClockDoubt
  readonly #expiry: OutboxClock
  readonly #outlet: Outlet

  constructor(options: AgentOutboxOptions) {
    const { store, clock, log, limits, parts } = options
    this.#options = options
    this.#bound = new Bound(
      'ERR_OUTBOX_FULL',
      `the outbox of ${options.name}`,
      { countMax: limits.outboxMax, bytesMax: limits.outboxBytesMax },
      heldIn(store.reader, `outbox WHERE status = 'pending' AND recipient <> '${terminal}'`),
    )
    this.#doubt = new ClockDoubt(clock)
    const onExpired = (messages: readonly ExpiredMessage[]): void => this.#expired(messages)
    const dueBy = (): number => this.#doubt.earliest()
    const { outbox, pauses } = parts
    this.#expiry = new OutboxClock({
      store,
      clock,
      doubt: this.#doubt,
      log,
      outbox,
      inFlight: () => this.#outlet.inFlight,
      onExpired,
    })
    this.#outlet =
      options.link?.({
        outboxBound: this.#bound,
        dueBy,
        onExpired,
        onSettled: (messages) => {
          for (const message of messages) this.#settled(message)
        },
      }) ??
      new OutboxPump({
        ...options,
        outbox,
        pauses,
        dueBy,
        onExpired,
        onSettled: ({ sequence, to, content }, verdict) => {
          const sizeBytes = Buffer.byteLength(JSON.stringify(content))
          const error = verdict.verdict === 'refused' ? verdict.error : undefined
          this.#settled({ sequence, to, sizeBytes, error })
        },
      })
  }

  start(): void {
    this.#expiry.start()
    this.#outlet.start()
  }

  /** Sends what it can, until nothing more can be sent now, or the time is over. */
  async flush(deadlineMs: number, hurry?: AbortSignal): Promise<void> {
    if (deadlineMs > 0 && hurry?.aborted !== true) await this.#outlet.flush(deadlineMs, hurry)
  }

  async close(options: { readonly handover: boolean }): Promise<void> {
    this.#expiry.close()
    await this.#outlet.close(options)
  }

  /** Messages to other agents without a verdict. */
  get count(): number {
    return this.#bound.count
  }

  get session(): Outlet['session'] {
    return this.#outlet.session
  }

  get hubSessions(): HubSessions | undefined {
    return this.#outlet.sessions
  }

  /** Takes a message in within a transaction, ERR_OUTBOX_FULL at the bound; returns its place. */
  send(tx: Tx, message: NewOutgoing): number {
    const { clock, limits, emitter } = this.#options
    const { to, content } = message
    const isMail = to === terminal
    if (!isMail) this.#bound.add(tx, Buffer.byteLength(JSON.stringify(content)))
    const expiresAt = this.#doubt.latest() + Math.min(message.ttlMs ?? Infinity, limits.outboxAgeMaxMs)
    const sequence = appendOutgoing(tx, message, clock.now(), expiresAt)
    if (isMail) this.#boundMailbox(tx)
    tx.onCommit(() => emitter.emit('outbox:message:committed', { sequence, to, text: textOf(content) }))
    if (isMail) return sequence
    this.#outlet.committing(tx)
    tx.onCommit(() => {
      this.#expiry.add(expiresAt)
      this.#outlet.look(to)
    })
    return sequence
  }

  /** It goes on, from this transaction on: what waits may go. */
  resume(tx: Tx): void {
    this.#outlet.committing(tx)
    tx.onCommit(() => this.#outlet.look())
  }

  /** Sends a dead letter again; returns the place of what it is sent as, be it from before. ERR_NO_SUCH_MESSAGE where it is none. */
  retry(tx: Tx, sequence: number): { readonly sequence: number; readonly duplicate: boolean } {
    const { parts, log, emitter } = this.#options
    const found = findLetter(tx, sequence)
    if ('sentAs' in found) return { sequence: found.sentAs, duplicate: true }
    const { letter } = found
    const sentAs = this.send(tx, parts.outbox.resent(letter))
    linkResent(tx, letter.sequence, sentAs)
    tx.onCommit(() => {
      log.info('outbox:message:retried', { sequence: letter.sequence, as: sentAs })
      emitter.emit('outbox:message:retried', { sequence: letter.sequence, as: sentAs })
    })
    return { sequence: sentAs, duplicate: false }
  }

  /** Gives up what waits and has not been on its way, at most so many; returns how many. */
  purge(tx: Tx, countMax: number): number {
    const { inFlight: except } = this.#outlet
    const purged = purgeWaiting(tx, { now: this.#options.clock.now(), countMax, except })
    tx.onCommit(() => this.#expired(purged))
    return purged.length
  }

  async acknowledgeTerminal(read: TerminalRead): Promise<void> {
    const { store, clock } = this.#options
    await store.write((tx) => settleTerminal(tx, read, clock.now()))
  }

  #boundMailbox(tx: Tx): void {
    const { clock, log, limits } = this.#options
    const count = expireTerminal(tx, limits.mailboxMax, clock.now())
    if (count > 0) tx.onCommit(() => log.warn('outbox:message:expired', { count }))
  }

  #expired(messages: readonly ExpiredMessage[]): void {
    const { log, emitter } = this.#options
    for (const { sequence, to, reason, sizeBytes } of messages) {
      if (sizeBytes !== undefined) this.#bound.remove(sizeBytes)
      log.warn('outbox:message:expired', { sequence, to, reason })
      emitter.emit('outbox:message:expired', { sequence, to, reason })
    }
  }

  #settled({ sequence, to, sizeBytes, error }: SettledMessage): void {
    const { log, emitter } = this.#options
    this.#bound.remove(sizeBytes)
    if (error !== undefined) {
      log.warn('outbox:message:refused', { sequence, to, reason: error })
      emitter.emit('outbox:message:refused', { sequence, to, error })
    } else {
      emitter.emit('outbox:message:delivered', { sequence, to })
    }
  }
}
