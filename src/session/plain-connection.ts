import type { Timer } from '../platform/clock.ts'
import type { Connection, ConnectionClose, ConnectionSink } from '../platform/transport.ts'
import { connectedFrame, resumeCapability } from '../protocol/frames.ts'
import { parseJson } from '../protocol/parse.ts'
import { plainServerFrame } from '../protocol/plain-server.ts'
import { Heartbeat, type Measured } from './heartbeat.ts'
import { OpeningTimes } from './opening-times.ts'
import { PlainInbox } from './plain-inbox.ts'
import type { PlainNames } from './plain-names.ts'
import { PlainOutbox } from './plain-outbox.ts'
import type { PlainRest } from './plain-rest.ts'
import type { PlainStore } from './plain-store.ts'
import type { ConnectionEnd } from './resumed-connection.ts'
import type { SessionLimits } from './session-limits.ts'
import type { Access, SessionOptions } from './session.ts'

/** What stays the same over the connections to a plain v1 server. */
export interface PlainParts {
  readonly store: PlainStore
  readonly rest: PlainRest
  readonly names: PlainNames
}

export interface PlainConnectionOptions
  extends Pick<SessionOptions, 'clock' | 'random' | 'log' | 'transport'>, PlainParts {
  /** The hub's WebSocket, such as `ws://127.0.0.1:8768`. */
  readonly url: string
  readonly limits: SessionLimits
  readonly access: Access
  readonly onReady: (reason: string) => void
}

/**
 * One WebSocket to a plain v1 server, and the work by REST while it is open. The server pushes nothing through it: it
 * shows others that the agent is there. Until `connected` the agent is not; a token that is not taken is told in a frame
 * after a successful upgrade. `ping` frames make the server hang up, so the protocol's own pings show whether it lives,
 * and only `subscribe` counts for it as a sign of life.
 *
 * Nobody fences here: the server has neither sessions nor generations, and two processes of one agent, on two disks,
 * would both answer. One process per folder is all that is certain.
 */
export class PlainConnection implements ConnectionSink {
  /** Resolves once the connection is over and nothing of it is being written any more. */
  readonly ended: Promise<ConnectionEnd>
  readonly #options: PlainConnectionOptions
  readonly #connection: Connection
  readonly #work = new AbortController()
  #working: Promise<unknown> = Promise.resolve()
  #inbox: PlainInbox | undefined
  #outbox: PlainOutbox | undefined
  #phase: 'opening' | 'online' | 'closed' = 'opening'
  #heartbeat: Heartbeat | undefined
  #pingedMs = NaN
  #subscribedMs: number
  readonly #opening: OpeningTimes
  #timers: Timer[] = []
  #resolveEnd: (end: ConnectionEnd) => void = () => undefined
  #ownEnd: ConnectionEnd | undefined

  constructor(options: PlainConnectionOptions) {
    this.#options = options
    const { clock, transport, url, limits, access } = options
    this.#subscribedMs = clock.monotonicMs()
    this.ended = new Promise((resolve) => (this.#resolveEnd = resolve))
    this.#opening = new OpeningTimes({ clock, limits, onLate: (reason) => this.#late(reason) })
    // It looks for the token in the query only. A server that has learnt to resume meanwhile says so in `connected`.
    this.#connection = transport.connect(
      `${url}/ws/v1/connect?resume=1&token=${encodeURIComponent(access.token)}`,
      { headers: { authorization: `Bearer ${access.token}` }, frameBytesMax: limits.frameBytesMax },
      this,
    )
  }

  look(): void {
    this.#outbox?.look()
  }

  get measured(): Measured | undefined {
    return this.#heartbeat?.measured
  }

  /** It may have died without a word: it has to show within 5 s that it has not. */
  probe(reason: string): void {
    if (this.#phase === 'online') return this.#heartbeat?.probe(reason)
    if (this.#phase !== 'closed' && this.#ownEnd === undefined) this.#opening.probe(reason)
  }

  /** Ends it, to be followed by another one at once: what is under way by REST is called off, and known by its marker. */
  leave(reason: string): void {
    this.#end({ code: 1000, reason, isAsked: true })
  }

  /** Closes it in good order; see `ended`. */
  async close(): Promise<void> {
    if (this.#phase !== 'closed') this.#end({ code: 1000, reason: 'the agent stops' }, stopHandshakeMs)
    await this.ended
  }

  onOpen(): void {
    if (this.#ownEnd === undefined) this.#opening.opened()
  }

  onPong(): void {
    this.#heartbeat?.heard()
    this.#heartbeat?.pong(this.#pingedMs)
  }

  onFrame(text: string): void {
    this.#heartbeat?.heard()
    if (this.#ownEnd !== undefined || this.#phase === 'closed') return
    const frame = parseJson(plainServerFrame, text)
    if (!frame.ok) return
    switch (frame.value.type) {
      case 'connected':
        return this.#greeted(text)
      case 'error':
        this.#options.log.warn('session:error:received', { error: text.slice(0, 200) })
        if (this.#phase === 'opening') {
          this.#end({ code: 1000, reason: 'the server does not take the token', isUnauthorized: true })
        }
        return
      case 'activity_verification':
        return this.#subscribe()
      case 'sleep_notification':
        // Nothing wakes a sleeper but another connection.
        return this.#end({ code: 1000, reason: 'the server has put the agent to sleep' })
      case 'message':
      case 'new_message':
        return this.#inbox?.hurry()
      default:
    }
  }

  onClose({ code, reason, status, retryAfterMs }: ConnectionClose): void {
    this.#phase = 'closed'
    this.#opening.end()
    for (const timer of this.#timers) timer.cancel()
    this.#heartbeat?.stop()
    this.#work.abort()
    const end = {
      ...(this.#ownEnd ?? { code, reason: status === undefined ? reason : `HTTP ${status}` }),
      ...(status === 401 && { isUnauthorized: true }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    }
    void this.#working.then(() => this.#resolveEnd(end))
  }

  #greeted(text: string): void {
    const frame = parseJson(connectedFrame, text)
    if (this.#phase !== 'opening') return
    if (!frame.ok) return this.#end({ code: 1000, reason: `a "connected" without a good ${frame.path}` })
    if (frame.value.capabilities.includes(resumeCapability)) {
      return this.#end({ code: 1000, reason: 'the server keeps sessions now', next: 'resumed' })
    }
    const { clock, onReady } = this.#options
    const signal = this.#work.signal
    this.#phase = 'online'
    this.#opening.end()
    const inbox = new PlainInbox({ ...this.#options, signal })
    const outbox = new PlainOutbox({
      ...this.#options,
      signal,
      sender: { id: Number(frame.value.ai_id), name: frame.value.ai_name },
      onSent: () => inbox.hurry(),
    })
    this.#inbox = inbox
    this.#outbox = outbox
    onReady('plain v1 server')
    this.#subscribe()
    this.#timers = [clock.setTimer(subscribeMs, () => this.#remind())]
    this.#heartbeat = this.#createHeartbeat()
    this.#working = Promise.all([inbox.run(), outbox.run()])
  }

  #createHeartbeat(): Heartbeat {
    const { heartbeatMs, silenceMs } = this.#options.limits
    return new Heartbeat({
      ...this.#options,
      heartbeatMs,
      // It says nothing by itself: silence means something only behind a ping.
      silenceMs: Math.max(silenceMs, heartbeatMs + pongMs),
      ping: (sentMs) => {
        this.#pingedMs = sentMs
        this.#connection.ping()
      },
      onSilence: (reason) => this.#late(reason),
    })
  }

  /** Shows that the agent is there. */
  #remind(): void {
    const { clock } = this.#options
    const restMs = this.#subscribedMs + subscribeMs - clock.monotonicMs()
    if (restMs <= 0) this.#subscribe()
    this.#timers = [clock.setTimer(restMs <= 0 ? subscribeMs : restMs, () => this.#remind())]
  }

  #subscribe(): void {
    if (this.#phase !== 'online' || this.#ownEnd !== undefined) return
    this.#subscribedMs = this.#options.clock.monotonicMs()
    this.#connection.send('{"type":"subscribe","subscription":"messages"}')
    this.#heartbeat?.sent()
  }

  #late(reason: string): void {
    this.#end({ code: 1000, reason })
    this.#connection.terminate()
  }

  #end(end: ConnectionEnd, handshakeMs = closeHandshakeMs): void {
    if (this.#ownEnd !== undefined || this.#phase === 'closed') return
    const { clock, log } = this.#options
    log.debug('session:connection:ended', { reason: end.reason })
    this.#ownEnd = end
    this.#work.abort()
    this.#opening.end()
    for (const timer of this.#timers) timer.cancel()
    this.#heartbeat?.stop()
    this.#connection.close(end.code, end.reason)
    // A peer that is gone answers no handshake.
    this.#timers = [clock.setTimer(handshakeMs, () => this.#connection.terminate())]
  }
}

/** By default a server asks after 15 minutes without one. */
const subscribeMs = 4 * 60_000
const closeHandshakeMs = 2_000
/** The same where the agent stops: nothing depends on the answer. */
const stopHandshakeMs = 500
/** How long the answer to a ping may take. */
const pongMs = 5_000
