import { toError } from '../errors.ts'
import type { Timer } from '../platform/clock.ts'
import type { Connection, ConnectionClose, ConnectionSink } from '../platform/transport.ts'
import { closeCodes, closeText, type CloseReason } from '../protocol/close-codes.ts'
import { ReceiverCredit } from '../protocol/credit.ts'
import {
  hubFrame,
  resumeCapability,
  type AgentFrame,
  type ConnectedFrame,
  type DrainFrame,
  type HubFrame,
  type ReadyFrame,
} from '../protocol/frames.ts'
import { parseJson } from '../protocol/parse.ts'
import { begunOf, problemOf, resumeFrameOf } from './handshake.ts'
import { Heartbeat, type Measured } from './heartbeat.ts'
import { OpeningTimes } from './opening-times.ts'
import type { Outbound, SessionPosition } from './position.ts'
import { emptyPublishText, publishText } from './publish-text.ts'
import { Receiver } from './receiver.ts'
import { Sender } from './sender.ts'
import type { SessionLimits } from './session-limits.ts'
import type { Access, SessionOptions } from './session.ts'
import { TokenRenewal } from './token-renewal.ts'

export interface ConnectionEnd {
  readonly code: number
  readonly reason: string
  /** How the server is to be spoken to from now on, where this was the wrong way. */
  readonly next?: 'plain' | 'resumed'
  /** The server takes this token no more, and said so without a close code. */
  readonly isUnauthorized?: boolean
  /** The token that it had at its end, where that is not the one that it was opened with. */
  readonly token?: string
  /** When the server wants to see the agent again, where it said so. */
  readonly retryAfterMs?: number
  /** Somebody here wanted another connection, and it is no fault of this one. */
  readonly isAsked?: boolean
}

export interface ResumedConnectionOptions extends Pick<
  SessionOptions,
  'clock' | 'random' | 'log' | 'transport' | 'credentials' | 'store' | 'instance' | 'onGap' | 'onVerdict'
> {
  /** The hub's WebSocket, such as `ws://127.0.0.1:8768`. */
  readonly url: string
  readonly limits: SessionLimits
  readonly access: Access
  readonly takeover: boolean
  /** Where the hub asks to come back to. */
  readonly onHint: (url: string) => void
  readonly onConnected: () => void
  readonly onReady: (reason: string) => void
}

type Phase = 'opening' | 'greeted' | 'asked' | 'ready' | 'live' | 'closed'

/** One connection of a session, from the upgrade to its end: greeting, `resume`, `ready`, and then both directions. */
export class ResumedConnection implements ConnectionSink {
  /** Resolves once the connection is over and nothing of it is being written any more. */
  readonly ended: Promise<ConnectionEnd>
  readonly #options: ResumedConnectionOptions
  readonly #connection: Connection
  #phase: Phase = 'opening'
  #position: SessionPosition | undefined
  #receiver: Receiver | undefined
  #sender: Sender | undefined
  readonly #token: TokenRenewal
  #heartbeat: Heartbeat | undefined
  /** The hub is held to it: without that, whoever plays a hub could fill the agent's memory. */
  readonly #credit: ReceiverCredit
  /** What the hub takes; a frame that is larger would end every connection at the same place. */
  #frameBytesMax = Infinity
  /** Frames besides messages that came between `ready` and the note of it. */
  #early = 0
  readonly #opening: OpeningTimes
  #timers: Timer[] = []
  #beginning: Promise<void> = Promise.resolve()
  #resolveEnd: (end: ConnectionEnd) => void = () => undefined
  /** It is being brought to an end in good order, for this. */
  #leaving: ConnectionEnd | undefined
  /** What this side ended it for, which says more than what the other answers. */
  #ownEnd: ConnectionEnd | undefined

  constructor(options: ResumedConnectionOptions) {
    this.#options = options
    const { clock, transport, url, limits, access } = options
    this.#credit = new ReceiverCredit(limits.window)
    this.#token = new TokenRenewal({ ...options, send: (token) => this.#send({ type: 'refresh', token }) })
    this.ended = new Promise((resolve) => (this.#resolveEnd = resolve))
    this.#opening = new OpeningTimes({ clock, limits, onLate: (reason) => this.#late(reason) })
    this.#connection = transport.connect(
      `${url}/ws/v1/connect?resume=1`,
      { headers: { authorization: `Bearer ${access.token}` }, frameBytesMax: limits.frameBytesMax },
      this,
    )
  }

  look(): void {
    this.#sender?.look()
  }

  get measured(): Measured | undefined {
    return this.#heartbeat?.measured
  }

  /** It may have died without a word: it has to show within 5 s that it has not. */
  probe(reason: string): void {
    if (this.#phase === 'live') return this.#heartbeat?.probe(reason)
    if (this.#phase !== 'closed' && this.#ownEnd === undefined) this.#opening.probe(reason)
  }

  /** Ends it in good order, to be followed by another one at once. */
  leave(reason: string): void {
    this.#leave({ code: 1000, reason, isAsked: true }, leaveMs)
  }

  /** Closes it in good order; see `ended`. A release is answered by the hub's close, or given up after a while. */
  async close({ release = false }: { readonly release?: boolean } = {}): Promise<void> {
    if (this.#phase !== 'closed') {
      const { clock } = this.#options
      const isReleasing = release && this.#phase === 'live' && this.#ownEnd === undefined
      if (isReleasing) this.#send({ type: 'release' })
      this.#ownEnd ??= { code: 1000, reason: 'the agent stops' }
      if (!isReleasing) this.#connection.close(1000, 'the agent stops')
      // A peer that is gone answers no handshake.
      const waitMs = isReleasing ? closeHandshakeMs : stopHandshakeMs
      this.#timers.push(clock.setTimer(waitMs, () => this.#connection.terminate()))
    }
    await this.ended
  }

  onOpen(): void {
    if (this.#ownEnd === undefined) this.#opening.opened()
  }

  onFrame(text: string): void {
    this.#heartbeat?.heard()
    if (this.#ownEnd !== undefined || this.#phase === 'closed') return
    const frame = parseJson(hubFrame, text)
    // What a newer hub sends besides is none of our business; what we know must be right.
    if (frame.ok) this.#take(frame.value, text)
    else if (isKnown(text)) this.#fail('protocol_error', `${frame.path}: ${frame.problem}`)
  }

  onClose({ code, reason, status, retryAfterMs }: ConnectionClose): void {
    this.#phase = 'closed'
    this.#opening.end()
    for (const timer of this.#timers) timer.cancel()
    this.#options.store.disconnected()
    this.#heartbeat?.stop()
    this.#token.stop()
    const theirs = { ...this.#leaving, code, reason: status === undefined ? reason : `HTTP ${status}` }
    const end = {
      ...(this.#ownEnd ?? theirs),
      ...(status === 401 && { isUnauthorized: true }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      token: this.#token.token,
    }
    const atRest = Promise.all([this.#beginning, this.#receiver?.stop(), this.#sender?.stop()])
    void atRest.then(() => {
      // Once more: `ready` may just have been noted.
      this.#options.store.disconnected()
      this.#resolveEnd(end)
    })
  }

  #take(frame: HubFrame, text: string): void {
    switch (frame.type) {
      case 'connected':
        return this.#greeted(frame)
      case 'ready':
        if (this.#phase === 'asked') {
          this.#phase = 'ready'
          this.#beginning = this.#begin(frame)
        }
        return
      case 'error':
        this.#options.log.warn('session:error:received', { error: frame.error, code: frame.code ?? '' })
        // A plain v1 server looks for tokens in the query only, and its errors have no code.
        if (this.#phase === 'opening' && frame.code === undefined) this.#isPlain()
        return
      case 'ping':
        return this.#send({ type: 'pong', ...(frame.sent_ms !== undefined && { sent_ms: frame.sent_ms }) })
      case 'pong':
        return this.#heartbeat?.pong(frame.sent_ms ?? NaN, frame.time)
      case 'refreshed':
        return this.#token.refreshed(frame.token_ttl_s)
      case 'drain':
        return this.#drained(frame)
      default:
        return this.#takeInTurn(frame, Buffer.byteLength(text))
    }
  }

  /** What comes between `ready` and the note of it waits its turn, as far as the hub may have sent it. */
  #takeInTurn(frame: HubFrame, bytes: number): void {
    if (this.#phase !== 'ready' && this.#phase !== 'live') return
    if (frame.type === 'message') {
      if (!this.#credit.take(bytes)) return this.#fail('protocol_error', 'more than it was granted')
    } else if (
      this.#phase === 'ready' &&
      (this.#early += 1) > earlyMax + this.#options.limits.window.messages
    ) {
      return this.#fail('protocol_error', 'too much at once')
    }
    void this.#beginning.then(() => this.#takeLive(frame, bytes))
  }

  #takeLive(frame: HubFrame, bytes: number): void {
    if (this.#phase !== 'live' || this.#ownEnd !== undefined) return
    if (frame.type === 'message') this.#receiver?.message(frame, bytes)
    else if (frame.type === 'gap') this.#receiver?.gap(frame)
    else if (frame.type === 'publish_ack') this.#sender?.verdict(frame)
    else if (frame.type === 'credit') this.#sender?.grant(frame)
  }

  #greeted(frame: ConnectedFrame): void {
    if (this.#phase !== 'opening') return
    if (!frame.capabilities.includes(resumeCapability)) return this.#isPlain()
    const { store, instance, takeover, limits, onConnected } = this.#options
    this.#phase = 'asked'
    this.#frameBytesMax = frame.frame_bytes_max ?? Infinity
    onConnected()
    this.#position = store.position()
    this.#send(resumeFrameOf(this.#position, { instance, takeover, credit: limits.window }))
  }

  /** The session goes on with a connection of another kind. */
  #isPlain(): void {
    this.#close({ code: 1000, reason: 'a plain v1 server', next: 'plain' })
  }

  /** Notes what the hub decided, before anything is done on the strength of it. */
  async #begin(frame: ReadyFrame): Promise<void> {
    const { store, credentials, onReady, log } = this.#options
    const problem = problemOf(frame, this.#position as SessionPosition)
    if (problem !== undefined) return this.#fail('protocol_error', problem)
    try {
      await store.begin(begunOf(frame))
      credentials.recordGeneration(frame.generation)
    } catch (thrown) {
      log.warn('session:begin:failed', { error: toError(thrown) })
      return this.#fail('unavailable', 'the agent cannot write now')
    }
    // Meanwhile the hub may have gone, or this side may have ended it.
    if (this.#phase !== 'ready' || this.#ownEnd !== undefined) return
    this.#phase = 'live'
    this.#opening.end()
    this.#createBoth(frame)
    this.#heartbeat = this.#createHeartbeat()
    this.#token.start(frame.token_ttl_s)
    onReady(frame.reason)
    this.#comeBackTo(frame.resume_url)
    this.#sender?.look()
  }

  #createBoth(frame: ReadyFrame): void {
    const { clock, log, store, onGap } = this.#options
    const { epoch, next } = frame.stream
    this.#receiver = new Receiver({
      clock,
      log,
      credit: this.#credit,
      epoch,
      offset: next - 1,
      accept: (page) => store.accept(page),
      acknowledge: (offset) => this.#send({ type: 'ack', epoch, offset }),
      grant: (credit) => this.#send({ type: 'credit', ...credit }),
      gap: onGap,
      failed: (problem) => this.#fail('protocol_error', problem),
    })
    this.#sender = new Sender({
      clock,
      log,
      credit: frame.credit,
      pending: (seq, countMax) => store.pending(seq, countMax),
      settle: (verdicts) => store.settle(verdicts),
      publish: (message) => this.#publish(message, frame.tx.producer_epoch),
      failed: (problem) => this.#fail('resume_again', problem),
      onVerdict: this.#options.onVerdict,
      misnumbered: (problem) => {
        this.#beginning = store.forgetNumbering().catch((thrown: unknown) => {
          log.warn('session:numbering:failed', { error: toError(thrown) })
        })
        this.#fail('resume_again', problem)
      },
    })
  }

  #createHeartbeat(): Heartbeat {
    return new Heartbeat({
      ...this.#options,
      ...this.#options.limits,
      ping: (sentMs) => this.#send({ type: 'ping', sent_ms: sentMs }),
      onSilence: (reason) => {
        this.#fail('timeout', reason)
        this.#connection.terminate()
      },
    })
  }

  #publish(message: Outbound, producerEpoch: string): number {
    let text = publishText(message, producerEpoch)
    let bytes = Buffer.byteLength(text)
    if (bytes > this.#frameBytesMax) {
      const { seq } = message
      this.#options.log.warn('session:message:too-large', { seq, bytes, frameBytesMax: this.#frameBytesMax })
      text = emptyPublishText(message, producerEpoch)
      bytes = Buffer.byteLength(text)
    }
    this.#connection.send(text)
    this.#heartbeat?.sent()
    return bytes
  }

  /** The hub goes away: what is under way is finished while it is still there. */
  #drained({
    deadline_ms: deadlineMs,
    reconnect_after_ms: retryAfterMs,
    resume_url: hint,
  }: DrainFrame): void {
    this.#options.log.info('session:drain:received', { deadlineMs, reconnectAfterMs: retryAfterMs })
    this.#comeBackTo(hint)
    const end = { code: closeCodes.drain, reason: 'the hub goes away for a while', retryAfterMs }
    // Before the deadline, so that the hub never has to end it.
    this.#leave(end, Math.max(deadlineMs / 2, deadlineMs - 1_000))
  }

  /** Publishes nothing more, and ends it when what is under way is on the disk, or the time is over. */
  #leave(end: ConnectionEnd, withinMs: number): void {
    if (this.#leaving !== undefined || this.#ownEnd !== undefined || this.#phase === 'closed') return
    this.#leaving = end
    const leave = (): void => this.#close(end)
    if (this.#phase !== 'live') return leave()
    this.#timers.push(this.#options.clock.setTimer(withinMs, leave))
    void Promise.all([this.#sender?.finish(), this.#receiver?.finish()]).then(leave)
  }

  #comeBackTo(hint: string | undefined): void {
    if (hint !== undefined) this.#options.onHint(hint)
  }

  #late(reason: string): void {
    this.#fail('timeout', reason)
    this.#connection.terminate()
  }

  #fail(why: CloseReason, reason: string): void {
    if (this.#ownEnd !== undefined || this.#phase === 'closed') return
    this.#options.log.warn('session:connection:failed', { why, reason })
    this.#close({ code: closeCodes[why], reason })
  }

  #close(end: ConnectionEnd): void {
    if (this.#ownEnd !== undefined || this.#phase === 'closed') return
    this.#ownEnd = end
    this.#connection.close(end.code, closeText(end.reason))
    // A peer that is gone answers no handshake.
    this.#timers.push(this.#options.clock.setTimer(closeHandshakeMs, () => this.#connection.terminate()))
  }

  #send(frame: AgentFrame): void {
    if (this.#phase === 'closed' || this.#ownEnd !== undefined) return
    this.#connection.send(JSON.stringify(frame))
    this.#heartbeat?.sent()
  }
}

/** Besides a gap for each message, what else a hub may have to say before the agent is live. */
const earlyMax = 16
const closeHandshakeMs = 2_000
/** The same where the agent stops: the hub has been told, and nothing depends on its answer. */
const stopHandshakeMs = 500
/** How long what is under way may take where another connection is wanted. */
const leaveMs = 2_000

const knownTypes = new Set(['connected', 'ready', 'message', 'publish_ack', 'gap', 'credit'])

function isKnown(text: string): boolean {
  try {
    return knownTypes.has(String((JSON.parse(text) as { type?: unknown } | null)?.type))
  } catch {
    return true
  }
}
