import { PerduraError, toError } from '../errors.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Http } from '../platform/http.ts'
import type { Log } from '../platform/log.ts'
import type { Random } from '../platform/random.ts'
import type { Transport } from '../platform/transport.ts'
import { closeReason, mayReconnect } from '../protocol/close-codes.ts'
import { hintMs, retryAfterMsOf } from './backoff.ts'
import type { Measured } from './heartbeat.ts'
import type { HubAddress } from './hub-address.ts'
import type { AddressFailure, HubAddresses, NextAttempt } from './hub-addresses.ts'
import { HubReturn, type HubReturnOptions } from './hub-return.ts'
import { endOf, isSaidByLiveHub } from './session-end.ts'
import { PlainConnection, type PlainParts } from './plain-connection.ts'
import { PlainNames } from './plain-names.ts'
import { PlainRest } from './plain-rest.ts'
import type { PlainStore } from './plain-store.ts'
import type { SessionStore } from './position.ts'
import { ResumedConnection, type ConnectionEnd } from './resumed-connection.ts'
import { RetryPolicy, type Retry, type RetryLimits, type RetryPolicyOptions } from './retry-policy.ts'
import { defaultSessionLimits, type SessionLimits } from './session-limits.ts'
import { gaveUp, SessionStates, type SessionState, type StateChange } from './session-states.ts'
import type { Occasion } from './wake-watch.ts'

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
  /** The hub was not reached, or went away: who answers next has to show that it is the hub, before it gets a token. */
  doubt?(): void
  /** Notes the generation outside the agent's database, so that one that was put back still knows it. */
  recordGeneration(generation: number): void
}

/** How it stands now, by what is in memory. */
export interface SessionView {
  readonly state: SessionState
  /** Why it is in this state. */
  readonly reason: string
  /** Wall-clock ms: since when it is online, or is not. */
  readonly sinceMs: number
  /** In a row, since a connection lasted or somebody asked. */
  readonly attempts: number
  /** Until the next attempt; undefined where none is planned. */
  readonly nextTryMs: number | undefined
  /** What this connection has measured. */
  readonly measured: Measured | undefined
}

export interface SessionStatus extends SessionView {
  readonly sessionIdentifier: string | undefined
  readonly generation: number
}

export interface SessionOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly transport: Transport
  /** Where the hub is; the credentials ask at the same one. */
  readonly addresses: HubAddresses
  /** Whether the hub works at an address; without it a session stays where it is. */
  readonly probe?: HubReturnOptions['probe']
  readonly credentials: SessionCredentials
  readonly store: SessionStore
  /** What it takes to work with a server that speaks v1 only; without it such a server is not worked with. */
  readonly plain?: { readonly http: Http; readonly store: PlainStore }
  /** Drawn at the start of the process. */
  readonly instance: string
  /** A person, a restore or a handover wants this process to have the session, whoever has it now. */
  readonly takeover?: boolean
  readonly limits?: Partial<SessionLimits>
  readonly retry?: Partial<RetryLimits>
  /** What decides when it tries again, where that is not to be the usual policy. */
  readonly createRetry?: (options: RetryPolicyOptions) => RetryPolicy
  readonly onChange: (change: StateChange, status: SessionStatus) => void
  /** Nothing is tried any more until somebody asks; see `RetryLimits.attemptsMax`. */
  /** The hub has decided about a message; how long that took from its being sent. */
  readonly onVerdict?: ((durationMs: number) => void) | undefined
  readonly onExhausted: (exhausted: { readonly attempts: number; readonly reason: string }) => void
  readonly onGap: (gap: { readonly from: number; readonly to: number; readonly reason: string }) => void
  /** The agent must not act any more: another process has its generation, or its credentials are no good. */
  readonly onEnd: (error: PerduraError) => void
}

/** What a session needs of a connection, whichever of the two kinds it is. */
type AnyConnection = Pick<ResumedConnection, 'look' | 'close' | 'ended' | 'probe' | 'leave' | 'measured'>

/**
 * The agent's one conversation with its hub, over as many connections as it takes. It is always in one of these states:
 *
 *   idle         not started.
 *   connecting   getting a token, opening a socket, waiting to be greeted. Entered from `idle` by `start`, from `backing-off`
 *                and `suspended` when the delay is over, and at once where another address, or another way of speaking, has
 *                not been tried.
 *   resuming     greeted; the session was asked for, and what the hub decides is being noted on the disk.
 *   online       in use. A plain v1 server, which keeps no sessions, leads here straight from `connecting`.
 *   backing-off  there is no connection, and a time for the next attempt. Every other failure of the three states above
 *                leads here, and so does an occasion (`occasion`, `reconnect`) from here and from `suspended`.
 *   suspended    the same after two minutes without a connection, with longer delays; or, after the last attempt of a
 *                session that has a bound on them, without any: then only an occasion leads out of it.
 *   stopped      over: `stop`, or an answer that would be the same the next time (a higher generation elsewhere, revoked
 *                credentials). Nothing leads out of it.
 *
 *   idle ─start► connecting ─connected► resuming ─ready► online
 *                  ▲    └──────────┬───────┴───────────────┘
 *                  │           failure
 *                  └─delay─ backing-off │ suspended ◄─┘                  any ─stop► stopped
 *
 * `SessionStates` holds the table and refuses any other step; `RetryPolicy` decides on the delays.
 *
 * A hub may have several addresses (`HubAddresses`): what fails at one is tried at the next before there is a delay, and a
 * session that is online at a later one goes back when an earlier one works again (`HubReturn`).
 *
 * A server that keeps no sessions is met halfway: from then on the connections are plain ones, which go online with
 * `connected`, until it offers to resume again.
 */
export class Session {
  readonly #options: SessionOptions
  readonly #limits: SessionLimits
  readonly #states: SessionStates
  readonly #retry: RetryPolicy
  #sinceMs: number
  #takeover: boolean
  #connection: AnyConnection | undefined
  readonly #plain: PlainParts | undefined
  #isPlain = false
  /** Times that the kind of connection has changed since the session was online. */
  #turns = 0
  #timer: Timer | undefined
  readonly #return: HubReturn | undefined
  /** The address to which the next connection is to be made. */
  #backTo: HubAddress | undefined
  /** Monotonic ms. */
  #nextTryMs: number | undefined

  constructor(options: SessionOptions) {
    const { clock, random, limits, retry = {}, takeover = false, plain } = options
    const { createRetry = (of) => new RetryPolicy(of) } = options
    this.#options = options
    this.#limits = { ...defaultSessionLimits, ...limits }
    this.#takeover = takeover
    this.#sinceMs = clock.now()
    this.#states = new SessionStates((change) => this.#changed(change))
    this.#retry = createRetry({ clock, random, limits: retry })
    const { addresses, log, probe } = options
    if (probe !== undefined) {
      const onReturn = (to: HubAddress): void => this.#goBack(to)
      this.#return = new HubReturn({ clock, random, log, addresses, probe, onReturn })
    }
    if (plain !== undefined) {
      const rest = new PlainRest({ ...options, ...plain })
      this.#plain = { store: plain.store, rest, names: new PlainNames(rest) }
    }
  }

  get view(): SessionView {
    const nextTryMs = this.#nextTryMs
    const nowMs = this.#options.clock.monotonicMs()
    return {
      state: this.#states.current,
      reason: this.#states.reason,
      sinceMs: this.#sinceMs,
      attempts: this.#retry.attempts,
      nextTryMs: nextTryMs === undefined ? undefined : Math.max(0, nextTryMs - nowMs),
      measured: this.#connection?.measured,
    }
  }

  get status(): SessionStatus {
    const { sessionIdentifier, generation } = this.#options.store.position()
    return { ...this.view, sessionIdentifier, generation }
  }

  start(): void {
    if (this.#states.current === 'idle') void this.#connect('the agent starts')
  }

  /** Something has been committed to the outbox. */
  look(): void {
    this.#connection?.look()
  }

  /**
   * Something has happened by which a connection may have died, or by which it may work now what did not: one that is online
   * has to show that it lives, and what waits tries now.
   */
  occasion({ reason, passedMs }: Occasion): void {
    const { log, addresses } = this.#options
    const state = this.#states.current
    if (state === 'idle' || state === 'stopped') return
    log.info('session:occasion', { state, reason, passedMs: Math.round(passedMs) })
    if (state === 'online') return this.#connection?.probe(reason)
    const retry = this.#retry.occasion(passedMs)
    if (retry === undefined) return
    addresses.passed(passedMs)
    if (this.#isWaiting) this.#plan(retry, reason)
    else this.#connection?.probe(reason)
  }

  /** Somebody wants a connection now: one that is online is ended in good order, and another one follows at once. */
  reconnect(reason: string): void {
    const state = this.#states.current
    if (state === 'idle' || state === 'stopped') return
    this.#options.addresses.passed(Infinity)
    const retry = this.#retry.asked()
    if (this.#isWaiting) this.#plan(retry, reason)
    else if (state === 'online') this.#connection?.leave(reason)
    else this.#connection?.probe(reason)
  }

  /**
   * Ends the connection, not the session. With `release` the hub is told first that this process acts no more, so that the
   * next one need not wait; where there is no connection, it finds that out by itself. Resolves when nothing is being
   * written any more.
   */
  async stop({ release = false }: { readonly release?: boolean } = {}): Promise<void> {
    // Why it has ended is not to be hidden by what follows from it.
    this.#timer?.cancel()
    this.#return?.stop(false)
    this.#nextTryMs = undefined
    if (!this.#isStopped()) this.#states.enter('stopped', release ? 'handed over' : 'the agent stops')
    await this.#connection?.close({ release })
  }

  async #connect(reason: string): Promise<void> {
    const { clock, credentials, log, transport } = this.#options
    this.#nextTryMs = undefined
    this.#states.enter('connecting', reason)
    let access: Access
    try {
      const granted = credentials.access()
      // While the hub thinks about the token; behind what sends it the question.
      if (transport.prepare !== undefined) clock.defer(() => transport.prepare?.())
      access = await granted
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
    if (!(error instanceof PerduraError) || error.retryable) {
      return this.#goOn(error.message, { retryAfterMs: retryAfterMsOf(error) })
    }
    // What another hub says is not for this session to end by, as long as there are other addresses.
    const next = error.code === 'ERR_HUB_IDENTITY' ? addresses.refused(error.message) : undefined
    if (next === undefined) this.#end(error)
    else this.#attempt(error.message, next)
  }

  #open(access: Access): AnyConnection {
    const onReady = (reason: string): void => {
      this.#retry.online()
      this.#turns = 0
      this.#options.addresses.succeeded()
      this.#return?.start()
      this.#states.enter('online', reason)
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
      onConnected: () => this.#states.enter('resuming', 'connected'),
      onReady: (reason) => {
        this.#takeover = false
        onReady(reason)
      },
    })
  }

  #ended(end: ConnectionEnd, access: Access): void {
    const { code, reason, next, isUnauthorized, token, retryAfterMs, isAsked } = end
    const { addresses, credentials, instance } = this.#options
    const lasted = this.#retry.offline()
    this.#return?.stop(lasted)
    const backTo = this.#backTo
    this.#backTo = undefined
    const why = closeReason(code)
    if (isUnauthorized === true || why === 'unauthorized') credentials.invalidate(token ?? access.token)
    if (next !== undefined && this.#plain !== undefined) return this.#turn(next, reason)
    // Said of another connection of this very process, it is no reason to stop.
    if (why === 'replaced' && reason.includes(instance)) return this.#wait(reason)
    if (mayReconnect(code)) {
      if (backTo !== undefined) addresses.returnTo(backTo)
      if (isAsked === true || backTo !== undefined) return this.#plan(this.#retry.asked(), reason)
      const said = reason === '' ? `closed with ${code}` : reason
      if (isSaidByLiveHub(why)) return this.#wait(said)
      credentials.doubt?.()
      return this.#goOn(said, { lasted, leaving: why === 'drain', retryAfterMs })
    }
    this.#end(endOf(code, reason))
  }

  /** A preferred address works again: what is under way here is finished first. */
  #goBack(to: HubAddress): void {
    this.#backTo = to
    this.#connection?.leave(`back to ${to.key}`)
  }

  /** At once, unless it goes back and forth. */
  #turn(next: 'plain' | 'resumed', reason: string): void {
    this.#isPlain = next === 'plain'
    this.#turns += 1
    if (this.#turns > 1) this.#wait(reason)
    else void this.#connect(reason)
  }

  /** At the address whose turn it is: at once where that has had none in this round. */
  #goOn(reason: string, { retryAfterMs, ...failure }: Omit<AddressFailure, 'why'>): void {
    const { addresses, random } = this.#options
    const askedMs = retryAfterMs === undefined ? undefined : hintMs(retryAfterMs, random)
    this.#attempt(reason, addresses.failed({ why: reason, ...failure, retryAfterMs: askedMs }))
  }

  #attempt(reason: string, { isNewRound, waitMs }: NextAttempt): void {
    if (isNewRound) this.#wait(reason, waitMs)
    else void this.#connect(reason)
  }

  #wait(reason: string, atLeastMs = 0): void {
    const retry = this.#retry.failed(atLeastMs)
    if (retry.delayMs !== undefined) return this.#plan(retry, reason)
    const { attempts } = this.#retry
    const text =
      `${reason}. ${gaveUp} after ${attempts} attempts, and tries again when the network changes, when the ` +
      'machine wakes, or with `perdura session reconnect <agent>`'
    this.#states.enter('suspended', text)
    this.#options.onExhausted({ attempts, reason })
  }

  #plan({ state, delayMs = 0 }: Retry, reason: string): void {
    const { clock, log } = this.#options
    this.#timer?.cancel()
    this.#nextTryMs = clock.monotonicMs() + delayMs
    this.#timer = clock.setTimer(delayMs, () => void this.#connect(reason))
    this.#states.enter(state, reason)
    log.info('session:reconnect:scheduled', {
      attempt: this.#retry.attempts,
      delayMs: Math.round(delayMs),
      reason,
    })
  }

  #end(error: PerduraError): void {
    this.#states.enter('stopped', error.message)
    this.#options.onEnd(error)
  }

  get #isWaiting(): boolean {
    const state = this.#states.current
    return state === 'backing-off' || state === 'suspended'
  }

  #isStopped(): boolean {
    return this.#states.current === 'stopped'
  }

  #changed(change: StateChange): void {
    const { from, to } = change
    // Between two attempts it is connecting for a moment, and has not been online for all the while.
    if (from === 'idle' || from === 'online' || to === 'online' || to === 'stopped') {
      this.#sinceMs = this.#options.clock.now()
    }
    this.#options.onChange(change, this.status)
  }
}
