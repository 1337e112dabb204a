import { PerduraError, toError } from '../../errors.ts'
import type { Timer } from '../../platform/clock.ts'
import type { Log } from '../../platform/log.ts'
import type { Connection, ConnectionClose, ConnectionSink } from '../../platform/transport.ts'
import { closeCodes, closeText, type CloseReason } from '../../protocol/close-codes.ts'
import {
  agentFrame,
  resumeCapability,
  type AckFrame,
  type AgentFrame,
  type CreditFrame,
  type HubFrame,
  publishEnvelopeFrame,
  type PublishFrame,
  type ReleaseFrame,
  type ResumeFrame,
} from '../../protocol/frames.ts'
import { parseJson } from '../../protocol/parse.ts'
import type { Resumed } from '../resume.ts'
import { type AckWriter, createAckWriter } from './ack-writer.ts'
import { Delivery } from './delivery.ts'
import { FrameGuard } from './frame-guard.ts'
import { HolderWatch } from './holder-watch.ts'
import { Intake } from './intake.ts'
import { toPublication, unfitPublication } from './publication.ts'
import { pongFrameOf, readyFrameOf } from './ready-frame.ts'
import type { LiveSession, Member } from './registry.ts'
import type { Authenticated, Relay } from './relay.ts'
import { sendQueueBytesMax } from './send-queues.ts'
import { SignsOfLife } from './signs-of-life.ts'
import { takeSession } from './take-session.ts'
import { tellLeft, whyLeft } from './tell-left.ts'
import { closeOf } from './close-of.ts'
import { type DrainCourse, Leaving } from './drain.ts'

type State = 'greeting' | 'waiting' | 'resuming' | 'live' | 'closed'

/**
 * One connection of an agent that asked for a resumable session. It greets, waits for `resume`, and is then live: it takes
 * what the agent publishes, in order and one verdict each, and hands it its stream as far as the agent's credit goes.
 * Whatever happens to it, nothing is lost: all it knows is on disk, and the next one begins there.
 *
 *   greeting ──token good──► waiting ──resume──► resuming ──ready──► live ──► closed
 *
 * From each state it may go to closed, by either side.
 */
export class ResumableConnection implements ConnectionSink, LiveSession, Member {
  readonly isPlain = false
  instance = ''
  generation = 0
  readonly #relay: Relay
  readonly #connection: Connection
  readonly #token: string
  readonly #log: Log
  #state: State = 'greeting'
  #who: Authenticated | undefined
  #actor: Authenticated | undefined
  #delivery: Delivery | undefined
  #tellLeft: (reason: string) => void = () => undefined
  #expiresAtMs = 0
  #timers: Timer[] = []
  #intake: Intake | undefined
  #acks: AckWriter | undefined
  #refreshing = false
  #watch: HolderWatch | undefined
  #leave: (() => void) | undefined
  #leaving: Leaving | undefined
  readonly #settled: () => void
  readonly #guard: FrameGuard
  readonly #signs: SignsOfLife

  /** `settled` is called once the handshake is over, however it ended; it may be more than once. */
  constructor(relay: Relay, connection: Connection, token: string, settled: () => void = () => {}) {
    this.#settled = settled
    this.#relay = relay
    this.#connection = connection
    this.#token = token
    this.#log = relay.log
    this.#signs = new SignsOfLife(relay.clock)
    this.#guard = new FrameGuard(relay.clock)
  }

  get aiId(): number {
    return this.#who?.aiId ?? 0
  }

  get sid(): string {
    return this.#who?.sid ?? ''
  }

  onOpen(): void {
    const { clock, limits } = this.#relay
    this.#timers.push(clock.setTimer(limits.handshakeMs, () => this.#handshakeLate()))
    void this.#greet()
  }

  onFrame(text: string): void {
    if (this.#state === 'closed') return
    this.#signs.heard()
    if (this.#state !== 'live' && !this.#guard.takeEarly(text))
      return this.#refuse('too much before ready: 16 frames of at most 8 KiB')
    const frame = parseJson(agentFrame, text)
    if (frame.ok) return this.#take(frame.value, text)
    const problem = `${frame.path === '' ? 'the frame' : frame.path}: ${frame.problem}`
    const envelope = parseJson(publishEnvelopeFrame, text)
    if (envelope.ok && this.#intake !== undefined) {
      const publication = unfitPublication(envelope.value, problem)
      return this.#intake.take(envelope.value, publication, Buffer.byteLength(text))
    }
    this.#refuse(problem)
  }

  onClose(close: ConnectionClose): void {
    this.#end(whyLeft(close))
  }

  wake(): void {
    this.#delivery?.look()
  }

  async answers(withinMs: number): Promise<boolean> {
    if (this.#state !== 'live') return false
    const answered = this.#signs.next(withinMs)
    this.#ping()
    return answered
  }

  replace({ instance }: { readonly instance: string }): void {
    if (instance === this.instance) this.close('superseded')
    else this.close('replaced', `by ${instance}`)
  }

  drain(course: DrainCourse): void {
    const close = (): void => this.close('drain', 'the hub goes away for a while')
    const intake = this.#intake
    if (this.#state !== 'live' || intake === undefined) return close()
    const { closeMs, reconnectMs } = course
    const [deadline, reconnect] = [Math.floor(closeMs), Math.floor(reconnectMs)]
    this.#send({ type: 'drain', deadline_ms: deadline, reconnect_after_ms: reconnect })
    this.#leaving = new Leaving(this.#relay.clock, course, () => intake.settled(), close)
  }

  get bufferedBytes(): number {
    return this.#connection.bufferedBytes
  }

  shed(): void {
    this.close('slow', 'what was sent is not read')
    // It would not read the close either.
    this.#connection.terminate()
  }

  close(reason: CloseReason, text = ''): void {
    if (this.#state === 'closed') return
    if (this.#state === 'greeting' || this.#state === 'waiting')
      this.#send({ type: 'error', error: text, code: reason })
    const why = closeText(text === '' ? reason : `${reason} ${text}`)
    this.#connection.close(closeCodes[reason], why)
    // A hub that goes away says nothing of its agents.
    this.#end(reason === 'drain' ? undefined : why)
  }

  /** `why` is noted for who asks where the agent is. */
  #end(why: string | undefined): void {
    if (why !== undefined && this.#relay.registry.session(this.aiId) === this) this.#tellLeft(why)
    this.#state = 'closed'
    for (const timer of this.#timers) timer.cancel()
    this.#timers = []
    this.#delivery?.stop()
    this.#intake?.stop()
    this.#signs.end()
    this.#settled()
    this.#leaving?.cancel()
    this.#leave?.()
    if (this.#actor !== undefined) this.#relay.registry.leave(this.#actor.aiId, this)
  }

  /** An error of the peer's: it is told what, and the connection ends. */
  #refuse(problem: string, reason: CloseReason = 'protocol_error'): void {
    this.#log.warn('hub:frame:refused', { agent: this.#who?.name ?? '', problem })
    this.close(reason, problem)
  }

  async #greet(): Promise<void> {
    const { clock, limits, nodeId, random, registry } = this.#relay
    try {
      const who = await this.#relay.authenticate(this.#token)
      if (this.#state !== 'greeting') return
      this.#who = who
      this.#leave = registry.join(this)
      this.#expiresAtMs = clock.monotonicMs() + Math.max(0, who.expiresAt - clock.now())
      this.#state = 'waiting'
      this.#send({
        type: 'connected',
        ai_id: who.aiId,
        ai_name: who.name,
        capabilities: [resumeCapability],
        connection_id: random.uuid(),
        node_id: nodeId,
        heartbeat_ms: limits.heartbeatMs,
        frame_bytes_max: limits.frameBytesMax,
      })
    } catch (error) {
      this.#failed(error)
    }
  }

  #handshakeLate(): void {
    if (this.#state !== 'live') this.close('timeout', 'no resume in time')
  }

  #take(frame: AgentFrame, text: string): void {
    if (frame.type !== 'publish' && !this.#guard.take())
      return this.#refuse('more than 2,000 frames a second', 'rate')
    switch (frame.type) {
      case 'resume':
        if (this.#state !== 'waiting') return this.#refuse('resume: comes once, after connected')
        this.#state = 'resuming'
        return void this.#resume(frame)
      case 'ping':
        return this.#send(pongFrameOf(frame, this.#relay.clock.now()))
      case 'pong':
        return
      case 'refresh':
        return void this.#refresh(frame.token)
      case 'release':
      case 'ack':
      case 'credit':
      case 'publish':
        this.#takeLive(frame, text)
    }
  }

  #takeLive(frame: AckFrame | CreditFrame | PublishFrame | ReleaseFrame, text: string): void {
    const intake = this.#intake
    if (intake === undefined) return this.#refuse(`${frame.type}: comes after ready`)
    if (frame.type === 'ack') this.#acks?.add(frame)
    else if (frame.type === 'credit') this.#delivery?.grant(frame)
    else if (frame.type === 'release') void this.#release()
    else intake.take(frame, toPublication(frame), Buffer.byteLength(text))
  }

  /** The close is the answer: what comes after it, under this generation, changes nothing any more. */
  async #release(): Promise<void> {
    const { storage, parts } = this.#relay
    const actor = this.#actor as Authenticated
    try {
      await storage.write((tx) => parts.release(tx, actor))
    } catch (error) {
      return this.#failed(error)
    }
    if (this.#state === 'closed') return
    this.#log.info('hub:session:released', { agent: actor.name, generation: this.generation })
    this.#connection.close(1000, 'released')
    this.#end('handed over')
  }

  async #resume(frame: ResumeFrame): Promise<void> {
    const who = this.#who as Authenticated
    const stillWanted = (): boolean => this.#state === 'resuming'
    try {
      const outcome = await takeSession(this.#relay, { aiId: who.aiId, frame, stillWanted })
      if (outcome === undefined || !stillWanted()) return
      if (outcome.kind === 'fenced') this.close('fenced', `the generation is ${outcome.generation}`)
      else if (outcome.kind === 'outdated')
        this.close('in_use', 'a later process of this agent has connected')
      else if (outcome.kind === 'ended') this.close('ended', 'the session of this process was ended')
      else if (outcome.kind === 'probe') this.close('in_use', 'another process of this agent is connected')
      else this.#begin(who, frame, outcome)
    } catch (error) {
      this.#failed(error)
    }
  }

  #begin(who: Authenticated, frame: ResumeFrame, resumed: Resumed): void {
    const { clock, random, registry, limits } = this.#relay
    this.instance = frame.instance
    this.generation = resumed.generation
    const actor = { ...who, generation: resumed.generation }
    this.#actor = actor
    this.#tellLeft = (reason) => void tellLeft(this.#relay, actor, { resumedAt: resumed.at, reason })
    this.#state = 'live'
    this.#settled()
    this.#delivery = new Delivery({
      relay: this.#relay,
      aiId: who.aiId,
      epoch: resumed.stream.epoch,
      after: resumed.next - 1,
      credit: frame.credit,
      send: (text) => this.#sendText(text),
      failed: (why, text) => this.close(why, text),
    })
    this.#intake = new Intake({
      relay: this.#relay,
      actor,
      guard: this.#guard,
      send: (sent) => this.#send(sent),
      ended: (why, text) => (why === 'resume_again' ? this.close(why, text) : this.#refuse(text, why)),
      failed: (error) => this.#failed(error),
    })
    this.#watch = new HolderWatch({
      relay: this.#relay,
      sessionId: resumed.sessionId,
      generation: resumed.generation,
      who: () => this.#who ?? who,
      isLive: () => this.#state === 'live',
      replaced: (by) => this.replace(by),
      ended: () => this.close('ended', 'its owner has ended it'),
      held: () => this.#delivery?.look(),
      failed: (error) => this.#failed(error),
    })
    this.#acks = createAckWriter(this.#relay, actor, {
      beyond: (offset) => this.#refuse(`ack: there is no offset ${offset}`),
      otherEpoch: () => this.close('resume_again', 'the epoch is not the stream’s'),
      failed: (error) => this.#failed(error),
    })
    // In the registry before `ready` is on its way: whatever is appended from here on wakes this connection.
    if (!registry.enter(who.aiId, this)) return this.close('fenced', 'a newer process has connected')
    this.#send(readyFrameOf(resumed, { credit: this.#intake.granted, tokenTtlS: this.#tokenTtlS() }))
    this.#log.info('hub:session:resumed', {
      agent: who.name,
      session: resumed.sessionIdentifier,
      generation: resumed.generation,
      instance: frame.instance,
      reason: resumed.reason,
    })
    this.#timers.push(clock.setTimer(random.fraction() * limits.heartbeatMs, () => this.#beat()))
    this.#delivery.look()
  }

  async #refresh(token: string): Promise<void> {
    const { clock } = this.#relay
    if (this.#state === 'greeting' || this.#refreshing) {
      return this.#refuse('refresh: one at a time, after connected')
    }
    this.#refreshing = true
    try {
      const who = await this.#relay.authenticate(token)
      if (who.aiId !== this.#who?.aiId) return this.close('unauthorized', 'the token is of another agent')
      this.#who = who
      this.#expiresAtMs = clock.monotonicMs() + Math.max(0, who.expiresAt - clock.now())
      this.#send({ type: 'refreshed', token_ttl_s: this.#tokenTtlS() })
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#refreshing = false
    }
  }

  #beat(): void {
    const { clock, limits } = this.#relay
    const nowMs = clock.monotonicMs()
    if (this.#signs.silentMs > limits.silenceMs) {
      this.#log.info('hub:session:silent', { agent: this.#who?.name ?? '' })
      this.close('timeout', 'nothing was heard')
      // A half-open connection answers no handshake.
      return this.#connection.terminate()
    }
    if (nowMs > this.#expiresAtMs + limits.tokenGraceMs)
      return this.close('unauthorized', 'the token has expired')
    this.#ping()
    this.recheck()
    // The ping may have ended it: a timer that is set now would never be cancelled.
    if (this.#state === 'live') this.#timers = [clock.setTimer(limits.heartbeatMs / 2, () => this.#beat())]
  }

  recheck(): void {
    void this.#watch?.look()
  }

  #ping(): void {
    const { clock } = this.#relay
    this.#send({ type: 'ping', sent_ms: clock.monotonicMs(), time: new Date(clock.now()).toISOString() })
  }

  #tokenTtlS(): number {
    return Math.max(0, Math.floor((this.#expiresAtMs - this.#relay.clock.monotonicMs()) / 1_000))
  }

  #failed(thrown: unknown): void {
    const error = toError(thrown)
    if (!(error instanceof PerduraError)) {
      this.#log.error('hub:connection:failed', { error })
      return this.close('unavailable')
    }
    const { reason, text } = closeOf(error)
    this.close(reason, text)
  }

  #send(frame: HubFrame): void {
    this.#sendText(JSON.stringify(frame))
  }

  #sendText(text: string): void {
    if (this.#state === 'closed') return
    if (this.bufferedBytes > sendQueueBytesMax) return this.shed()
    this.#connection.send(text)
    this.#relay.sendQueues.sent(Buffer.byteLength(text))
  }
}
