import { PerduraError, toError } from '../errors.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Http } from '../platform/http.ts'
import type { Log } from '../platform/log.ts'
import type { Random } from '../platform/random.ts'
import type { Transport } from '../platform/transport.ts'
import { closeReason, mayReconnect, type CloseReason } from '../protocol/close-codes.ts'
import type { Credit } from '../protocol/frames.ts'
import { backoffMs } from './backoff.ts'
import type { AddressFailure, HubAddresses, NextAttempt } from './hub-addresses.ts'
import { PlainConnection, type PlainParts } from './plain-connection.ts'
import { PlainNames } from './plain-names.ts'
import { PlainRest } from './plain-rest.ts'
import type { PlainStore } from './plain-store.ts'
import type { SessionStore } from './position.ts'
import { ResumedConnection, type ConnectionEnd } from './resumed-connection.ts'

/** What an access token is good for, on the session's own clock. */
export interface Access {
  readonly token: string
  /** Monotonic ms: when another one should be fetched. */
  readonly refreshAtMs: number
}

export interface SessionCredentials {
  /** Rejects with a retryable error where nobody can tell, with any other where a person has to change something. */
  access(options?: { readonly fresh?: boolean; readonly signal?: AbortSignal }): Promise<Access>
  /** The hub said that it takes this token no more. */
  invalidate(token: string): void
  /** Notes the generation outside the agent's database, so that one that was put back still knows it. */
  recordGeneration(generation: number): void
}

export interface SessionLimits {
  /** What the hub may send beyond what is on the disk. */
  readonly window: Credit
  readonly frameBytesMax: number
  readonly handshakeMs: number
  /** Silence after which the hub counts as gone. */
  readonly silenceMs: number
}

const defaultSessionLimits: SessionLimits = {
  window: { messages: 256, bytes: 2 * 1024 * 1024 },
  frameBytesMax: 8 * 1024 * 1024,
  handshakeMs: 10_000,
  silenceMs: 30_000,
}

export type SessionState = 'idle' | 'connecting' | 'resuming' | 'online' | 'backing-off' | 'stopped'

export interface SessionStatus {
  readonly state: SessionState
  /** Why it is in this state. */
  readonly reason: string
  readonly sinceMs: number
  readonly sessionIdentifier: string | undefined
  readonly generation: number
  readonly attempts: number
}

export interface SessionOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly transport: Transport
  /** Where the hub is; the credentials ask at the same one. */
  readonly addresses: HubAddresses
  readonly credentials: SessionCredentials
  readonly store: SessionStore
  /** What it takes to work with a server that speaks v1 only; without it such a server is not worked with. */
  readonly plain?: { readonly http: Http; readonly store: PlainStore }
  /** Drawn at the start of the process. */
  readonly instance: string
  /** A person, a restore or a handover wants this process to have the session, whoever has it now. */
  readonly takeover?: boolean
  readonly limits?: Partial<SessionLimits>
  readonly onStatus: (status: SessionStatus) => void
  readonly onGap: (gap: { readonly from: number; readonly to: number; readonly reason: string }) => void
  /** The agent must not act any more: another process has its generation, or its credentials are no good. */
  readonly onEnd: (error: PerduraError) => void
}

/**
 * The agent's one conversation with its hub, over as many connections as it takes.
 *
 *   idle ─start► connecting ─connected► resuming ─ready► online ─close► backing-off ─delay► connecting …
 *
 * A hub may have several addresses: after an attempt that came to nothing the others are tried at once, before a delay.
 *
 * Every failure on the way leads to `backing-off`, with a growing delay, and from there on; only what would be answered the
 * same way the next time leads to `stopped`: a higher generation elsewhere, revoked credentials, or `stop`.
 *
 * A server that keeps no sessions is met halfway: from then on the connections are plain ones, which go online with
 * `connected`, until it offers to resume again.
 */
export class Session {
  readonly #options: SessionOptions
  readonly #limits: SessionLimits
  #state: SessionState = 'idle'
  #reason = 'not started'
  #sinceMs: number
  #attempts = 0
  #takeover: boolean
  #connection: Pick<ResumedConnection, 'look' | 'close' | 'ended'> | undefined
  readonly #plain: PlainParts | undefined
  #isPlain = false
  /** Times that the kind of connection has changed since the session was online. */
  #turns = 0
  #timer: Timer | undefined
  /** When the session went online, to tell a connection that lasts from one that fails at once. */
  #onlineMs: number | undefined

  constructor(options: SessionOptions) {
    this.#options = options
    this.#limits = { ...defaultSessionLimits, ...options.limits }
    this.#takeover = options.takeover ?? false
    this.#sinceMs = options.clock.now()
    if (options.plain !== undefined) {
      const rest = new PlainRest({ ...options, ...options.plain })
      this.#plain = { store: options.plain.store, rest, names: new PlainNames(rest) }
    }
  }

  get status(): SessionStatus {
    const { sessionIdentifier, generation } = this.#options.store.position()
    return {
      state: this.#state,
      reason: this.#reason,
      sinceMs: this.#sinceMs,
      sessionIdentifier,
      generation,
      attempts: this.#attempts,
    }
  }

  start(): void {
    if (this.#state === 'idle') void this.#connect()
  }

  /** Something has been committed to the outbox. */
  look(): void {
    this.#connection?.look()
  }

  /** Ends the connection, not the session. Resolves when nothing is being written any more. */
  async stop(): Promise<void> {
    // Why it has ended is not to be hidden by what follows from it.
    if (!this.#isStopped()) this.#enter('stopped', 'the agent stops')
    this.#timer?.cancel()
    await this.#connection?.close()
  }

  async #connect(): Promise<void> {
    const { credentials, log } = this.#options
    this.#enter('connecting', this.#attempts === 0 ? 'the agent starts' : this.#reason)
    let access: Access
    try {
      access = await credentials.access()
    } catch (thrown) {
      const error = toError(thrown)
      if (this.#isStopped()) return
      this.#refused(error)
      return
    }
    if (this.#isStopped()) return
    const connection = this.#open(access)
    this.#connection = connection
    const end = await connection.ended
    this.#connection = undefined
    if (this.#isStopped()) return
    log.debug('session:connection:closed', { code: end.code, reason: end.reason })
    this.#ended(end, access)
  }

  /** No token was to be had. */
  #refused(error: Error): void {
    const { addresses } = this.#options
    if (!(error instanceof PerduraError) || error.retryable) return this.#goOn(error.message, {})
    // What another hub says is not for this session to end by, as long as there are other addresses.
    const next = error.code === 'ERR_HUB_IDENTITY' ? addresses.refused(error.message) : undefined
    if (next === undefined) this.#end(error)
    else this.#attempt(error.message, next)
  }

  #open(access: Access): ResumedConnection | PlainConnection {
    const onReady = (reason: string): void => {
      this.#onlineMs = this.#options.clock.monotonicMs()
      this.#turns = 0
      this.#options.addresses.succeeded()
      this.#enter('online', reason)
    }
    const { addresses } = this.#options
    const url = addresses.current.webSocketUrl
    const options = { ...this.#options, url, limits: this.#limits, access }
    if (this.#isPlain && this.#plain !== undefined) {
      return new PlainConnection({ ...options, ...this.#plain, onReady })
    }
    return new ResumedConnection({
      ...options,
      takeover: this.#takeover,
      onHint: (hint) => addresses.hint(hint),
      onConnected: () => this.#enter('resuming', 'connected'),
      onReady: (reason) => {
        this.#takeover = false
        onReady(reason)
      },
    })
  }

  #ended({ code, reason, next, isUnauthorized, token }: ConnectionEnd, access: Access): void {
    const { clock, credentials, instance } = this.#options
    const lasted = this.#onlineMs !== undefined && clock.monotonicMs() - this.#onlineMs >= stableMs
    if (lasted) this.#attempts = 0
    this.#onlineMs = undefined
    const why = closeReason(code)
    if (isUnauthorized === true || why === 'unauthorized') credentials.invalidate(token ?? access.token)
    if (next !== undefined && this.#plain !== undefined) return this.#turn(next, reason)
    // Said of another connection of this very process, it is no reason to stop.
    if (why === 'replaced' && reason.includes(instance)) return this.#wait(reason)
    if (mayReconnect(code)) {
      const said = reason === '' ? `closed with ${code}` : reason
      if (why !== undefined && saidByLiveHub.has(why)) return this.#wait(said)
      return this.#goOn(said, { lasted, leaving: why === 'drain' })
    }
    this.#end(
      new PerduraError(
        'ERR_FENCED',
        `the hub has ended the session of this process (${reason}): stop the other one, or take over with ` +
          '`perdura up <agent> --takeover`',
        { details: { closeCode: code } },
      ),
    )
  }

  /** At once, unless it goes back and forth. */
  #turn(next: 'plain' | 'resumed', reason: string): void {
    this.#isPlain = next === 'plain'
    this.#turns += 1
    this.#reason = reason
    if (this.#turns > 1) this.#wait(reason)
    else void this.#connect()
  }

  /** At the address whose turn it is: at once where that has had none in this round. */
  #goOn(reason: string, failure: Omit<AddressFailure, 'why'>): void {
    this.#attempt(reason, this.#options.addresses.failed({ why: reason, ...failure }))
  }

  #attempt(reason: string, { isNewRound, waitMs }: NextAttempt): void {
    if (isNewRound) return this.#wait(reason, waitMs)
    this.#reason = reason
    void this.#connect()
  }

  #wait(reason: string, atLeastMs = 0): void {
    const { clock, random, log } = this.#options
    const delayMs = atLeastMs + backoffMs(this.#attempts, random)
    this.#attempts += 1
    this.#enter('backing-off', reason)
    log.info('session:reconnect:scheduled', { attempt: this.#attempts, delayMs: Math.round(delayMs), reason })
    this.#timer = clock.setTimer(delayMs, () => void this.#connect())
  }

  #end(error: PerduraError): void {
    this.#enter('stopped', error.message)
    this.#options.onEnd(error)
  }

  #isStopped(): boolean {
    return this.#state === 'stopped'
  }

  #enter(state: SessionState, reason: string): void {
    this.#state = state
    this.#reason = reason
    this.#sinceMs = this.#options.clock.now()
    this.#options.onStatus(this.status)
  }
}

/** What a hub closes a connection for without being in trouble itself: another address of it would say the same. */
const saidByLiveHub: ReadonlySet<CloseReason> = new Set([
  'slow',
  'superseded',
  'rate',
  'resume_again',
  'unauthorized',
  'in_use',
])

/** A connection that was online for so long was a good one: the next delay is short again. */
const stableMs = 30_000
