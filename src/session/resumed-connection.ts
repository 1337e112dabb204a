import { formatDuration } from '../duration.ts'
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
  type HubFrame,
  type PublishFrame,
  type ReadyFrame,
} from '../protocol/frames.ts'
import { parseJson } from '../protocol/parse.ts'
import { begunOf, problemOf, resumeFrameOf } from './handshake.ts'
import type { Outbound, SessionPosition } from './position.ts'
import { Receiver } from './receiver.ts'
import { Sender } from './sender.ts'
import type { Access, SessionLimits, SessionOptions } from './session.ts'

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
}

export interface ResumedConnectionOptions extends Pick<
  SessionOptions,
  'clock' | 'random' | 'log' | 'transport' | 'credentials' | 'store' | 'instance' | 'onGap'
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
  #access: Access
  /** The hub is held to it: without that, whoever plays a hub could fill the agent's memory. */
  readonly #credit: ReceiverCredit
  /** What the hub takes; a frame that is larger would end every connection at the same place. */
  #frameBytesMax = Infinity
  /** Frames besides messages that came between `ready` and the note of it. */
  #early = 0
  #heardMs: number
  #timers: Timer[] = []
  #beginning: Promise<void> = Promise.resolve()
  #resolveEnd: (end: ConnectionEnd) => void = () => undefined
  /** What this side ended it for, which says more than what the other answers. */
  #ownEnd: ConnectionEnd | undefined

  constructor(options: ResumedConnectionOptions) {
    this.#options = options
    this.#access = options.access
    const { clock, transport, url, limits, access } = options
    this.#credit = new ReceiverCredit(limits.window)
    this.#heardMs = clock.monotonicMs()
    this.ended = new Promise((resolve) => (this.#resolveEnd = resolve))
    this.#timers.push(clock.setTimer(limits.connectMs, () => this.#late('open', limits.connectMs)))
    this.#connection = transport.connect(
      `${url}/ws/v1/connect?resume=1`,
      { headers: { authorization: `Bearer ${access.token}` }, frameBytesMax: limits.frameBytesMax },
      this,
    )
  }

  look(): void {
    this.#sender?.look()
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
      this.#timers.push(clock.setTimer(closeHandshakeMs, () => this.#connection.terminate()))
    }
    await this.ended
  }

  onOpen(): void {
    const { clock, limits } = this.#options
    this.#heardMs = clock.monotonicMs()
    if (this.#ownEnd !== undefined) return
    for (const timer of this.#timers) timer.cancel()
    this.#timers = [clock.setTimer(limits.handshakeMs, () => this.#late('ready', limits.handshakeMs))]
  }

  onFrame(text: string): void {
    this.#heardMs = this.#options.clock.monotonicMs()
    if (this.#ownEnd !== undefined || this.#phase === 'closed') return
    const frame = parseJson(hubFrame, text)
    // What a newer hub sends besides is none of our business; what we know must be right.
    if (frame.ok) this.#take(frame.value, text)
    else if (isKnown(text)) this.#fail('protocol_error', `${frame.path}: ${frame.problem}`)
  }

  onClose({ code, reason, status, retryAfterMs }: ConnectionClose): void {
    this.#phase = 'closed'
    for (const timer of this.#timers) timer.cancel()
    this.#options.store.disconnected()
    const end = {
      ...(this.#ownEnd ?? { code, reason: status === undefined ? reason : `HTTP ${status}` }),
      ...(status === 401 && { isUnauthorized: true }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      token: this.#access.token,
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
      case 'drain':
        return this.#comeBackTo(frame.resume_url)
      case 'pong':
      case 'refreshed':
        return
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
    this.#ownEnd = { code: 1000, reason: 'a plain v1 server', next: 'plain' }
    this.#connection.close(1000, '')
    this.#timers.push(this.#options.clock.setTimer(closeHandshakeMs, () => this.#connection.terminate()))
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
    if (this.#phase !== 'ready') return
    this.#phase = 'live'
    for (const timer of this.#timers) timer.cancel()
    this.#createBoth(frame)
    this.#watch()
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
      misnumbered: (problem) => {
        this.#beginning = store.forgetNumbering().catch((thrown: unknown) => {
          log.warn('session:numbering:failed', { error: toError(thrown) })
        })
        this.#fail('resume_again', problem)
      },
    })
  }

  #publish(message: Outbound, producerEpoch: string): number {
    const { seq, id, recipient, conversation, content, hops, inReplyTo, again, ttlMs } = message
    const frame: PublishFrame = {
      type: 'publish',
      producer_epoch: producerEpoch,
      seq,
      id,
      ...(again && { again }),
      recipient_name: recipient,
      conversation_id: conversation,
      content,
      message_type: 'text',
      ...(ttlMs !== undefined && { ttl_ms: ttlMs }),
      metadata: { auto_reply: true, hops, ...(inReplyTo !== undefined && { in_reply_to: inReplyTo }) },
    }
    const text = JSON.stringify(frame)
    const bytes = Buffer.byteLength(text)
    if (bytes > this.#frameBytesMax) return this.#publishEmpty(frame, bytes)
    this.#connection.send(text)
    return bytes
  }

  /** Its number must be used up, by a verdict that refuses it: without content it gets one. */
  #publishEmpty({ producer_epoch, seq, id }: PublishFrame, bytes: number): number {
    this.#options.log.warn('session:message:too-large', { seq, bytes, frameBytesMax: this.#frameBytesMax })
    const text = JSON.stringify({ type: 'publish', producer_epoch, seq, id })
    this.#connection.send(text)
    return Buffer.byteLength(text)
  }

  /** Looks after the connection while it is live: whether the hub is still there, and how old the token is. */
  #watch(): void {
    const { clock, limits } = this.#options
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#heardMs > limits.silenceMs) {
      this.#fail('timeout', `nothing was heard of the hub for ${formatDuration(limits.silenceMs)}`)
      this.#connection.terminate()
      return
    }
    if (nowMs >= this.#access.refreshAtMs) void this.#refresh()
    this.#timers = [clock.setTimer(watchMs, () => this.#watch())]
  }

  async #refresh(): Promise<void> {
    const { credentials, log } = this.#options
    try {
      const access = await credentials.access()
      if (access.token === this.#access.token || this.#phase !== 'live') return
      this.#access = access
      this.#send({ type: 'refresh', token: access.token })
    } catch (thrown) {
      // The hub closes the connection when the old one has run out; what then is to be done, the next login tells.
      log.warn('session:token:failed', { error: toError(thrown) })
    }
  }

  #comeBackTo(hint: string | undefined): void {
    if (hint !== undefined) this.#options.onHint(hint)
  }

  #late(what: 'open' | 'ready', limitMs: number): void {
    const within = `within ${formatDuration(limitMs)}`
    const reason = what === 'open' ? `no connection ${within}` : `the handshake was not over ${within}`
    this.#fail('timeout', reason)
    this.#connection.terminate()
  }

  #fail(why: CloseReason, reason: string): void {
    if (this.#ownEnd !== undefined || this.#phase === 'closed') return
    this.#options.log.warn('session:connection:failed', { why, reason })
    this.#ownEnd = { code: closeCodes[why], reason }
    this.#connection.close(closeCodes[why], closeText(reason))
    this.#timers.push(this.#options.clock.setTimer(closeHandshakeMs, () => this.#connection.terminate()))
  }

  #send(frame: AgentFrame): void {
    if (this.#phase !== 'closed' && this.#ownEnd === undefined) this.#connection.send(JSON.stringify(frame))
  }
}

const watchMs = 5_000
/** Besides a gap for each message, what else a hub may have to say before the agent is live. */
const earlyMax = 16
const closeHandshakeMs = 2_000

const knownTypes = new Set(['connected', 'ready', 'message', 'publish_ack', 'gap', 'credit'])

function isKnown(text: string): boolean {
  try {
    return knownTypes.has(String((JSON.parse(text) as { type?: unknown } | null)?.type))
  } catch {
    return true
  }
}
