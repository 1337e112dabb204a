import { toError, type PerduraError } from '../../errors.ts'
import type { Compromise } from '../../credentials/compromise.ts'
import { sleep, type Clock } from '../../platform/clock.ts'
import type { Http } from '../../platform/http.ts'
import type { Log } from '../../platform/log.ts'
import type { Random } from '../../platform/random.ts'
import type { NetworkWatch } from '../../platform/network-watch.ts'
import type { Transport } from '../../platform/transport.ts'
import type { Bound } from '../../queue/bound.ts'
import type { ExpiredMessage } from '../../queue/outbox-expiry.ts'
import type { SettledMessage } from '../../queue/outbox-numbers.ts'
import type { HubAddresses } from '../../session/hub-addresses.ts'
import type { RetryLimits } from '../../session/retry-policy.ts'
import type { SessionLimits } from '../../session/session-limits.ts'
import {
  type Access,
  Session,
  type SessionCredentials,
  type SessionOptions,
  type SessionStatus,
  type SessionView,
} from '../../session/session.ts'
import type { StateChange } from '../../session/session-states.ts'
import { WakeWatch } from '../../session/wake-watch.ts'
import type { Store, Tx } from '../../store/store.ts'
import type { AgentParts } from '../parts.ts'
import { HubSessions } from './hub-sessions.ts'
import type { HubTokens } from './hub-tokens.ts'
import type { KeptOutside } from './session-row.ts'
import type { AcceptedMessage, OtherSession, StoredSession } from './session-store.ts'

export interface HubAccess extends SessionCredentials, HubTokens {
  /** By which the agent's place at this hub is found again; for good once there has been an access token. */
  readonly place: string
  access(options?: { readonly fresh?: boolean; readonly signal?: AbortSignal }): Promise<Access>
  /** Generation and claim, as they are kept outside the agent's database. Reading it writes nothing. */
  readonly kept: KeptOutside
  /** Nothing is written any more once it resolves: the agent's folder may then be another process's. */
  close(): Promise<void>
}

/** The hub that an agent is to be at. */
export interface HubOptions {
  /** Its preferred address, in its one spelling. */
  readonly key: string
  readonly addresses: HubAddresses
  readonly transport: Transport
  /** Without it, a change of the network is noticed by what it does to connections. */
  readonly network?: NetworkWatch
  /** For servers that only speak v1; without it, there can be none. */
  readonly http?: Http
  /** Whether the hub works at an address: then the session goes back to one that it prefers. */
  readonly probe?: SessionOptions['probe']
  readonly credentials: HubAccess
  /** A `HubLink`: an agent without a hub does not load what one is made of. */
  readonly createLink: (options: HubLinkOptions) => Outlet
  readonly takeover?: boolean
  readonly limits?: Partial<SessionLimits>
  readonly retry?: Partial<RetryLimits>
}

export interface HubLinkOptions {
  readonly hub: HubOptions
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly parts: Pick<
    AgentParts,
    'inbox' | 'outbox' | 'pauses' | 'createSessionStore' | 'createPlainStore' | 'createRetryPolicy'
  >
  readonly inboxBound: Bound
  readonly outboxBound: Bound
  /** Wall-clock ms, no later than it can be. */
  readonly dueBy: () => number
  readonly onAccepted: (messages: readonly AcceptedMessage[]) => void
  readonly onSettled: (messages: readonly SettledMessage[]) => void
  readonly onExpired: (messages: readonly ExpiredMessage[]) => void
  readonly onChange: (change: StateChange, status: SessionStatus) => void
  readonly onVerdict?: SessionOptions['onVerdict']
  readonly onExhausted: (exhausted: { readonly attempts: number; readonly reason: string }) => void
  readonly onGap: (gap: { readonly from: number; readonly to: number; readonly reason: string }) => void
  readonly onOtherSession: (other: OtherSession) => void
  readonly onCompromised: (compromise: Compromise) => void
  readonly onEnd: (error: PerduraError) => void
}

/** What takes committed messages to their recipients. */
export interface Outlet {
  start(): void
  /** A message is being committed, in this transaction. */
  committing(tx: Tx): void
  /** A message has been committed to this recipient; without one, there may be something to send to anybody. */
  look(to?: string): void
  /** What is being handed over now, and perhaps arrives, without its being on disk that it is. */
  readonly inFlight: ReadonlySet<number>
  /** Resolves when nothing more can be sent now, when the time is over, or when `hurry` aborts. */
  flush(deadlineMs: number, hurry?: AbortSignal): Promise<void>
  /** With `handover` the hub is told that this process acts no more. What has no verdict is sent again by the next one. */
  close(options: { readonly handover: boolean }): Promise<void>
  /** What the hub can be asked about the agent's sessions; undefined without a hub that could. */
  readonly sessions?: HubSessions | undefined
  /** Where it goes through a hub. */
  readonly session?: {
    readonly view: SessionView
    /** Somebody wants a connection now, for this reason. */
    reconnect(reason: string): void
  }
}

/** The way through a hub: a session over the agent's own store. */
export class HubLink implements Outlet {
  readonly #options: HubLinkOptions
  readonly #stored: StoredSession
  readonly session: Session
  readonly #wake: WakeWatch
  #unwatch: (() => void) | undefined
  /** What has a number is known to be under way. */
  readonly inFlight: ReadonlySet<number> = new Set()
  #noted = ''

  constructor(options: HubLinkOptions) {
    this.#options = options
    const { hub, random, clock } = options
    const log = options.log.with({ hub: hub.key })
    const stored = {
      ...options,
      inbox: options.parts.inbox,
      outbox: options.parts.outbox,
      pauses: options.parts.pauses,
      log,
      address: hub.key,
      get hub() {
        return hub.credentials.place
      },
      keptOutside: () => hub.credentials.kept,
    }
    this.#stored = options.parts.createSessionStore(stored)
    this.session = new Session({
      clock,
      random,
      log,
      transport: hub.transport,
      addresses: hub.addresses,
      ...(hub.probe !== undefined && { probe: hub.probe }),
      credentials: hub.credentials,
      store: this.#stored,
      ...(hub.http !== undefined && {
        plain: { http: hub.http, store: options.parts.createPlainStore(stored) },
      }),
      instance: random.uuid(),
      ...(hub.takeover !== undefined && { takeover: hub.takeover }),
      ...(hub.limits !== undefined && { limits: hub.limits }),
      ...(hub.retry !== undefined && { retry: hub.retry }),
      createRetry: options.parts.createRetryPolicy,
      onChange: (change, status) => this.#changed(change, status),
      onVerdict: options.onVerdict,
      onExhausted: options.onExhausted,
      onGap: options.onGap,
      onEnd: options.onEnd,
    })
    hub.credentials.onCompromised(options.onCompromised)
    this.#wake = new WakeWatch(clock, (occasion) => this.session.occasion(occasion))
  }

  start(): void {
    this.session.start()
    this.#wake.start()
    this.#unwatch = this.#options.hub.network?.watch((reason) =>
      this.session.occasion({ reason, passedMs: 0 }),
    )
  }

  committing(tx: Tx): void {
    this.#stored.committing(tx)
  }

  look(): void {
    this.session.look()
  }

  get sessions(): HubSessions | undefined {
    const { http, addresses, credentials } = this.#options.hub
    const current = (): string | undefined => this.session.status.sessionIdentifier
    return http === undefined ? undefined : new HubSessions({ http, addresses, credentials, current })
  }

  async close({ handover }: { readonly handover: boolean }): Promise<void> {
    this.#wake.stop()
    this.#unwatch?.()
    try {
      await this.session.stop({ release: handover })
    } finally {
      await this.#options.hub.credentials.close()
    }
  }

  /** Waits until everything pending has its verdict, as long as there is a connection. */
  async flush(deadlineMs: number, hurry?: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const startedMs = clock.monotonicMs()
    while (this.#stored.pending(1, 1).length > 0 && this.session.status.state === 'online') {
      if (hurry?.aborted === true || clock.monotonicMs() - startedMs >= deadlineMs) return
      await sleep(clock, flushLookMs, hurry)
    }
  }

  #changed(change: StateChange, status: SessionStatus): void {
    this.#options.onChange(change, status)
    const { to, reason } = change
    // What only passes is not worth a commit: whoever looks wants to know how it stands, and since when.
    if (to === 'connecting' || to === 'resuming') return
    const noted = `${to} ${reason}`
    if (noted === this.#noted) return
    this.#noted = noted
    this.#stored.note(to, reason).catch((error: unknown) => {
      this.#options.log.debug('session:note:failed', { error: toError(error) })
    })
  }
}

const flushLookMs = 10
