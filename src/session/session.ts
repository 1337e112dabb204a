import { PerduraError, toError } from '../errors.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { Random } from '../platform/random.ts'
import type { Connection, Transport } from '../platform/transport.ts'
import { closeReason, mayReconnect } from '../protocol/close-codes.ts'
import type { Credit } from '../protocol/frames.ts'
import { backoffMs } from './backoff.ts'
import { ResumedConnection, type ConnectionEnd } from './resumed-connection.ts'
import type { SessionStore } from './position.ts'

/** What an access token is good for, on the session's own clock. */
export interface Access {
  readonly token: string
  /** Monotonic ms: when another one should be fetched. */
  readonly refreshAtMs: number
}

export interface SessionCredentials {
  /** Rejects with a retryable error where nobody can tell, with any other where a person has to change something. */
  access(options?: { readonly fresh?: boolean }): Promise<Access>
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

export const defaultSessionLimits: SessionLimits = {
  window: { messages: 256, bytes: 2 * 1024 * 1024 },
  frameBytesMax: 8 * 1024 * 1024,
  handshakeMs: 10_000,
  silenceMs: 30_000,
}

export type SessionState = 'idle' | 'connecting' | 'resuming' | 'online' | 'waiting' | 'stopped'

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
  /** The hub's WebSocket, such as `ws://127.0.0.1:8768`. */
  readonly url: string
  readonly credentials: SessionCredentials
  readonly store: SessionStore
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
 *   idle ─start► connecting ─connected► resuming ─ready► online ─close► waiting ─delay► connecting …
 *
 * Every failure on the way leads to `waiting`, with a growing delay, and from there on; only what would be answered the
 * same way the next time leads to `stopped`: a higher generation elsewhere, revoked credentials, or `stop`.
 */
export class Session {
  readonly #options: SessionOptions
  readonly #limits: SessionLimits
  #state: SessionState = 'idle'
  #reason = 'not started'
  #sinceMs: number
  #attempts = 0
  #takeover: boolean
  #connection: ResumedConnection | undefined
  #timer: Timer | undefined
  /** When the session went online, to tell a connection that lasts from one that fails at once. */
  #onlineMs: number | undefined

  constructor(options: SessionOptions) {
    this.#options = options
    this.#limits = { ...defaultSessionLimits, ...options.limits }
    this.#takeover = options.takeover ?? false
    this.#sinceMs = options.clock.now()
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
    this.#enter('stopped', 'the agent stops')
    this.#timer?.cancel()
    await this.#connection?.close()
  }

  async #connect(): Promise<void> {
    const { credentials, clock, log } = this.#options
    this.#enter('connecting', this.#attempts === 0 ? 'the agent starts' : this.#reason)
    let access: Access
    try {
      access = await credentials.access()
    } catch (thrown) {
      const error = toError(thrown)
      if (this.#isStopped()) return
      if (error instanceof PerduraError && !error.retryable) this.#end(error)
      else this.#wait(error.message)
      return
    }
    if (this.#isStopped()) return
    const connection = new ResumedConnection({
      ...this.#options,
      limits: this.#limits,
      access,
      takeover: this.#takeover,
      onConnected: () => this.#enter('resuming', 'connected'),
      onReady: (reason) => {
        this.#takeover = false
        this.#onlineMs = clock.monotonicMs()
        this.#enter('online', reason)
      },
    })
    this.#connection = connection
    const end = await connection.ended
    this.#connection = undefined
    if (this.#isStopped()) return
    log.debug('session:connection:closed', { code: end.code, reason: end.reason })
    this.#ended(end, access)
  }

  #ended({ code, reason }: ConnectionEnd, access: Access): void {
    const { clock, credentials, instance } = this.#options
    if (this.#onlineMs !== undefined && clock.monotonicMs() - this.#onlineMs >= stableMs) this.#attempts = 0
    this.#onlineMs = undefined
    const why = closeReason(code)
    if (why === 'unauthorized') credentials.invalidate(access.token)
    // Said of another connection of this very process, it is no reason to stop.
    if (why === 'replaced' && reason.includes(instance)) return this.#wait(reason)
    if (mayReconnect(code)) return this.#wait(reason === '' ? `closed with ${code}` : reason)
    this.#end(
      new PerduraError(
        'ERR_FENCED',
        `the hub has ended the session of this process (${reason}): stop the other one, or take over with ` +
          '`perdura session takeover`',
        { details: { closeCode: code } },
      ),
    )
  }

  #wait(reason: string): void {
    const { clock, random, log } = this.#options
    const delayMs = backoffMs(this.#attempts, random)
    this.#attempts += 1
    this.#enter('waiting', reason)
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

/** A connection that was online for so long was a good one: the next delay is short again. */
const stableMs = 30_000
