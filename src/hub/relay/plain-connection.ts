import { PerduraError, toError, type ErrorCode } from '../../errors.ts'
import type { JsonObject } from '../../json.ts'
import type { Timer } from '../../platform/clock.ts'
import type { Connection, ConnectionSink } from '../../platform/transport.ts'
import { closeCodes, closeText, type CloseReason } from '../../protocol/close-codes.ts'
import { parse, parseJson } from '../../protocol/parse.ts'
import { plainFrame, requestFields, subscriptionFields } from '../../protocol/plain-frames.ts'
import { readStream } from '../streams.ts'
import { PlainActivity } from './plain-activity.ts'
import { PlainDelivery } from './plain-delivery.ts'
import { errorFrame, publishFrame, type RequestId } from './plain-publishing.ts'
import type { PushForm } from './plain-pushes.ts'
import { closeReasonOf } from './close-of.ts'
import { type DrainCourse, Leaving } from './drain.ts'
import type { Listener, Member } from './registry.ts'
import type { Authenticated, Relay } from './relay.ts'
import { TokenBucket } from '../../platform/token-bucket.ts'
import type { StreamName } from './upgrade.ts'

type PlainStream = Exclude<StreamName, 'session.resume'>
export interface PlainUpgrade {
  readonly token: string
  readonly stream: PlainStream
  readonly settled?: () => void
}

/** What may be on its way to a client; more, and it is not reading. */
const queueBytesMax = 1024 * 1024
/** What a client may send before its token is checked. */
const heldCharactersMax = 256 * 1024

const frameRate = { perSecond: 100, burst: 200 }

const beatMs = 15_000
const pingEveryMs = 30_000
const refusalDelayMs = 1_000
/** Nothing for so long, not even the answer to a ping: nobody is there. */
const silenceMs = 75_000

/**
 * One socket of a plain v1 client. It is always opened; then the token is checked, and the socket greets or is told why
 * not. From then on it gets what is sent to the agent, and may send itself. Nothing of it outlives it.
 *
 *   greeting ──token good──► live ──► closed
 *
 * An agent may have several. Whatever ends one from this side ends it with a code of ours, never with 1000, after which
 * the original clients would believe that they are still connected.
 */
export class PlainConnection implements ConnectionSink, Listener, Member {
  readonly isPlain = true
  readonly #relay: Relay
  readonly #connection: Connection
  readonly #token: string
  readonly #stream: PlainStream
  readonly #rate: TokenBucket
  readonly #subscriptions = new Set<string>()
  readonly #held: string[] = []
  #state: 'greeting' | 'live' | 'closed' = 'greeting'
  #who: Authenticated | undefined
  #delivery: PlainDelivery | undefined
  #leave: (() => void) | undefined
  #leaving: Leaving | undefined
  readonly #settled: () => void
  /** The last sign of life, and the last ping. */
  #heardMs: number
  #pingedMs: number
  #toldActiveMs = -Infinity
  #activity: PlainActivity | undefined
  #publishingBytes = 0
  #timers: { deadline?: Timer; beat?: Timer } = {}

  /** `settled` is called once the handshake is over, however it ended; it may be more than once. */
  constructor(relay: Relay, connection: Connection, { token, stream, settled = () => {} }: PlainUpgrade) {
    this.#settled = settled
    this.#relay = relay
    this.#connection = connection
    this.#token = token
    this.#stream = stream
    this.#rate = new TokenBucket(relay.clock, frameRate)
    this.#heardMs = this.#pingedMs = relay.clock.monotonicMs()
  }

  get aiId(): number {
    return this.#who?.aiId ?? 0
  }

  get sid(): string {
    return this.#who?.sid ?? ''
  }

  onOpen(): void {
    const { clock, limits } = this.#relay
    const late = new PerduraError('ERR_HUB_STORAGE', 'the hub could not check the token in time: try again')
    this.#timers.deadline = clock.setTimer(limits.handshakeMs, () => this.#notAdmitted(late))
    void this.#greet()
  }

  onFrame(text: string): void {
    if (this.#state === 'closed') return
    this.#heardMs = this.#relay.clock.monotonicMs()
    this.#tellActive()
    if (!this.#rate.take())
      return this.#end('rate', 'ERR_RATE_LIMIT', 'too many frames: at most 100 a second')
    if (this.#state === 'live') return this.#take(text)
    const held = this.#held.reduce((sum, { length }) => sum + length, text.length)
    if (held > heldCharactersMax) this.#end('rate', 'ERR_RATE_LIMIT', 'too much before the token was checked')
    else this.#held.push(text)
  }

  onPong(): void {
    this.#heardMs = this.#relay.clock.monotonicMs()
  }

  onClose(): void {
    this.#forget()
  }

  wake(): void {
    this.#delivery?.look()
  }

  active(): void {
    this.#activity?.active()
  }

  get isAsleep(): boolean {
    return this.#activity?.isAsleep === true
  }

  get bufferedBytes(): number {
    return this.#connection.bufferedBytes
  }

  shed(): void {
    this.close('slow', 'not read in time')
    this.#connection.terminate()
  }

  drain(course: DrainCourse): void {
    const { clock } = this.#relay
    this.#leaving = new Leaving(
      clock,
      course,
      () => Promise.resolve(),
      () => this.close('drain', 'the hub goes away for a while'),
    )
  }

  async #greet(): Promise<void> {
    const { clock, log, random, registry, storage } = this.#relay
    try {
      const who = await this.#relay.authenticate(this.#token)
      if (this.#state !== 'greeting') return
      this.#who = who
      // Before the end of the stream is read: whatever is appended from here on wakes this socket.
      const [mute, part] = [registry.listen(who.aiId, this), registry.join(this)]
      this.#leave = () => {
        mute()
        part()
      }
      const { top } = await storage.read((reader) => readStream(reader, who.aiId))
      // Closed while it was waiting.
      if ((this.#state as string) !== 'greeting') return
      this.#state = 'live'
      this.#settled()
      this.#timers.deadline?.cancel()
      this.#activity = this.#watchActivity()
      this.#timers.beat = clock.setTimer(random.fraction() * beatMs, () => this.#beat())
      if (this.#stream === 'connect') {
        this.#send({ type: 'connected', ai_id: who.aiId, ai_name: who.name, timestamp: this.#now() })
      } else {
        this.#send({
          type: 'subscribed',
          stream: this.#stream,
          ai_id: who.aiId,
          timestamp: this.#now(),
        })
      }
      log.info('hub:plain:connected', { agent: who.name, stream: this.#stream })
      this.#deliver(who, top)
      for (const text of this.#held.splice(0)) this.#take(text)
    } catch (error) {
      if (this.#state === 'closed') return
      this.#timers.deadline?.cancel()
      // Clients of v1 come back at once, with the token that was refused: not faster than this.
      this.#timers.deadline = clock.setTimer(refusalDelayMs, () => this.#notAdmitted(error))
    }
  }

  /**
   * As at the original, a socket outlives its access token, which few of its clients renew; but not the login that the
   * token came of.
   */
  async #revalidate(who: Authenticated): Promise<void> {
    try {
      await this.#relay.revalidate(who)
    } catch (error) {
      // An outage of the storage ends nobody's connection.
      const known = error instanceof PerduraError && error.code !== 'ERR_HUB_STORAGE'
      if (known && this.#state === 'live') this.#notAdmitted(error)
    }
  }

  /** The other two endpoints have nothing to push yet. */
  #deliver({ aiId }: Authenticated, after: number): void {
    if (this.#stream !== 'connect' && this.#stream !== 'messages') return
    this.#delivery = new PlainDelivery({
      relay: this.#relay,
      connection: this.#connection,
      aiId,
      after,
      forms: () => this.#forms(),
      send: (frame) => this.#send(frame),
      failed: (reason) => {
        if (reason === 'slow') this.close('slow', 'not read in time')
        else this.#end('unavailable', 'ERR_HUB_STORAGE', 'the hub cannot read now')
      },
    })
    this.#delivery.look()
  }

  #forms(): readonly PushForm[] {
    if (this.#stream === 'messages') return ['new_message']
    return this.#subscriptions.has('messages') ? ['message', 'new_message'] : ['message']
  }

  /** The token does not, or no longer, open this; or nobody can tell. */
  #notAdmitted(thrown: unknown): void {
    const error = toError(thrown)
    const refused = error instanceof PerduraError && error.code !== 'ERR_HUB_STORAGE'
    if (refused) return this.#end(closeReasonOf(error), error.code, 'Authentication failed')
    if (!(error instanceof PerduraError)) this.#relay.log.error('hub:connection:failed', { error })
    this.#end('unavailable', 'ERR_HUB_STORAGE', 'the hub cannot check the token now: try again')
  }

  #take(text: string): void {
    if (this.#state !== 'live') return
    const frame = parseJson(plainFrame, text)
    if (!frame.ok) return this.#end('protocol_error', 'ERR_REQUEST_INVALID', 'a frame must be a JSON object')
    const request = parse(requestFields, frame.value)
    if (!request.ok) {
      return this.#send(errorFrame('ERR_REQUEST_INVALID', `${request.path}: ${request.problem}`, undefined))
    }
    this.#dispatch(frame.value, request.value.request_id ?? undefined, text)
  }

  #dispatch(frame: JsonObject, requestId: RequestId, text: string): void {
    const { type } = frame
    switch (type) {
      case 'ping':
        return this.#answer({ type: 'pong', timestamp: this.#now() }, requestId)
      case 'heartbeat':
        return this.#answer({ type: 'heartbeat_ack', timestamp: this.#now() }, requestId)
      case 'subscribe':
      case 'unsubscribe':
        return this.#subscribe(type, frame, requestId)
      case 'message':
      case 'insight':
        return void this.#publish(type, text, requestId)
      case 'activity_confirmation':
        // As every frame it has been noted; that is all there is to it.
        return this.#answerIfAsked({ type: 'activity_confirmed', timestamp: this.#now() }, requestId)
      case 'status_update':
      case 'brain_state_update':
      case 'collaboration_request':
      case 'collaboration_response':
        return this.#refuseIfAsked('ERR_NO_SUCH_ROUTE', `${type}: not supported yet`, requestId)
      default:
        this.#refuseIfAsked('ERR_NO_SUCH_ROUTE', 'the hub knows no frame of this type', requestId)
    }
  }

  #subscribe(type: 'subscribe' | 'unsubscribe', frame: JsonObject, requestId: RequestId): void {
    const fields = parse(subscriptionFields, frame)
    if (!fields.ok) {
      return this.#refuseIfAsked('ERR_REQUEST_INVALID', `${fields.path}: ${fields.problem}`, requestId)
    }
    if (this.#stream !== 'connect') {
      return this.#refuseIfAsked('ERR_REQUEST_INVALID', `${type}: only on /ws/v1/connect`, requestId)
    }
    const { subscription } = fields.value
    if (type === 'subscribe') this.#subscriptions.add(subscription)
    else this.#subscriptions.delete(subscription)
    this.#answerIfAsked({ type: `${type}d`, subscription, timestamp: this.#now() }, requestId)
  }

  async #publish(type: 'message' | 'insight', text: string, requestId: RequestId): Promise<void> {
    const { limits, log } = this.#relay
    if (this.#publishingBytes > limits.publishWindow.bytes) {
      return this.#refuse('ERR_RATE_LIMIT', 'too much under way: wait for answers', requestId)
    }
    this.#publishingBytes += text.length
    try {
      const sent = await publishFrame(this.#relay, this.#who as Authenticated, type, text)
      this.#answerIfAsked({ type: 'message_sent', ...sent, timestamp: this.#now() }, requestId)
    } catch (thrown) {
      const error = toError(thrown)
      if (!(error instanceof PerduraError)) {
        log.error('hub:connection:failed', { error })
        return this.#refuse('ERR_INTERNAL', 'the hub failed, and has logged why', requestId)
      }
      this.#refuse(error.code, error.message, requestId)
      if (error.code === 'ERR_FENCED') this.close('fenced', error.code)
    } finally {
      this.#publishingBytes -= text.length
    }
  }

  #beat(): void {
    const { clock, log } = this.#relay
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#heardMs >= silenceMs) {
      log.info('hub:plain:silent', { agent: this.#who?.name ?? '' })
      this.close('timeout', 'nothing was heard')
      // A half-open connection answers no handshake.
      return this.#connection.terminate()
    }
    if (nowMs - this.#pingedMs >= pingEveryMs) {
      this.#pingedMs = nowMs
      this.#connection.ping()
      if (this.#who !== undefined) void this.#revalidate(this.#who)
    }
    if (this.#state === 'live') this.#timers.beat = clock.setTimer(beatMs, () => this.#beat())
  }

  /** Whichever socket of an agent it comes on, the agent is awake. It may have many: once a second is often enough. */
  #tellActive(): void {
    const { registry } = this.#relay
    if (this.#who === undefined || this.#heardMs - this.#toldActiveMs < 1_000) return
    this.#toldActiveMs = this.#heardMs
    registry.active(this.#who.aiId)
  }

  #watchActivity(): PlainActivity {
    const { clock, activity } = this.#relay
    return new PlainActivity(clock, activity, {
      tell: (frame) => this.#send({ ...frame, timestamp: this.#now(), urgent: true }),
      end: () => this.close('timeout', 'asleep for too long'),
    })
  }

  #answer(frame: JsonObject, requestId: RequestId): void {
    this.#send(requestId === undefined ? frame : { ...frame, request_id: requestId })
  }

  /** v1 says nothing to these, so only who asks is answered. */
  #answerIfAsked(frame: JsonObject, requestId: RequestId): void {
    if (requestId !== undefined) this.#answer(frame, requestId)
  }

  #refuse(code: ErrorCode, error: string, requestId: RequestId): void {
    this.#send(errorFrame(code, error, requestId))
  }

  #refuseIfAsked(code: ErrorCode, error: string, requestId: RequestId): void {
    if (requestId !== undefined) this.#refuse(code, error, requestId)
  }

  #send(frame: object): void {
    if (this.#state === 'closed') return
    if (this.bufferedBytes > queueBytesMax) return this.close('slow', 'not read in time')
    const text = JSON.stringify(frame)
    this.#connection.send(text)
    this.#relay.sendQueues.sent(Buffer.byteLength(text))
  }

  /** Tells the client why, and closes. */
  #end(reason: CloseReason, code: ErrorCode, error: string): void {
    this.#send(errorFrame(code, error, undefined))
    this.close(reason, code)
  }

  close(reason: CloseReason, why: string): void {
    if (this.#state === 'closed') return
    this.#relay.log.debug('hub:plain:closed', { agent: this.#who?.name ?? '', reason, why })
    this.#connection.close(closeCodes[reason], closeText(`${reason} ${why}`))
    this.#forget()
  }

  #forget(): void {
    this.#state = 'closed'
    this.#settled()
    this.#timers.deadline?.cancel()
    this.#timers.beat?.cancel()
    this.#held.length = 0
    this.#delivery?.stop()
    this.#leave?.()
    this.#leaving?.cancel()
    this.#activity?.stop()
  }

  #now(): string {
    return new Date(this.#relay.clock.now()).toISOString()
  }
}
