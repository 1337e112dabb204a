import type { Json } from '../../../src/json.ts'
import type { PerduraError } from '../../../src/errors.ts'
import type { Connection } from '../../../src/platform/transport.ts'
import type {
  Begun,
  IncomingPage,
  Outbound,
  SessionPosition,
  SessionStore,
  SettledVerdict,
} from '../../../src/session/position.ts'
import { hubAddress } from '../../../src/session/hub-address.ts'
import { HubAddresses } from '../../../src/session/hub-addresses.ts'
import { Session, type Access, type SessionOptions } from '../../../src/session/session.ts'
import type { SessionState } from '../../../src/session/session-states.ts'
import {
  createSeededRandom,
  outside,
  SimulatedClock,
  SimulatedProcess,
  SimulatedTransport,
} from '../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'
import { freshPosition } from '../../helpers/light-session-store.ts'

/** Whatever a test reads in it. */
// oxlint-disable-next-line typescript/no-explicit-any
type Frame = any

/** A store that keeps everything in memory, and does what the test tells it to. */
export class MemoryStore implements SessionStore {
  current: SessionPosition = freshPosition
  readonly begun: Begun[] = []
  readonly messages: string[] = []
  readonly outbox: Outbound[] = []
  readonly settled: SettledVerdict[] = []
  forgotten = 0
  /** Awaited before anything is written; it may reject. */
  hold: (() => Promise<void>) | undefined
  /** Writes that have not ended. */
  busy = 0

  position(): SessionPosition {
    return this.current
  }

  begin(begun: Begun): Promise<void> {
    return this.#write(() => {
      this.begun.push(begun)
      const { current } = this
      const isSame = current.rx?.epoch === begun.streamEpoch
      this.current = {
        ...current,
        sessionIdentifier: begun.sessionIdentifier,
        generation: begun.generation,
        rx: isSame ? current.rx : { epoch: begun.streamEpoch, offset: begun.next - 1, lastId: undefined },
        tx: { producerEpoch: begun.producerEpoch, nextSeq: this.outbox.length + 1, lastAcked: undefined },
      }
    })
  }

  accept(page: IncomingPage): Promise<void> {
    return this.#write(() => {
      this.messages.push(...page.messages.map(({ id }) => id))
      const { offset, id } = page.through
      this.current = { ...this.current, rx: { epoch: page.epoch, offset, lastId: id } }
    })
  }

  pending(seq: number, countMax: number): readonly Outbound[] {
    return this.outbox.filter((message) => message.seq >= seq).slice(0, countMax)
  }

  settle(verdicts: readonly SettledVerdict[]): Promise<void> {
    return this.#write(() => {
      this.settled.push(...verdicts)
      for (const { seq } of verdicts) {
        const at = this.outbox.findIndex((message) => message.seq === seq)
        if (at >= 0) this.outbox.splice(at, 1)
      }
    })
  }

  forgetNumbering(): Promise<void> {
    return this.#write(() => void (this.forgotten += 1))
  }

  disconnected(): void {}

  add(seq: number, content: Json = seq): void {
    this.outbox.push({
      seq,
      id: `m${seq}`,
      recipient: 'Bo',
      conversation: 'Bo',
      content,
      hops: 1,
      inReplyTo: undefined,
      again: false,
    })
  }

  async #write(act: () => void): Promise<void> {
    this.busy += 1
    try {
      await this.hold?.()
      act()
    } finally {
      this.busy -= 1
    }
  }
}

/** The hub's end of a connection, played by the test. */
export class HubEnd {
  readonly frames: Frame[] = []
  closed: { readonly code: number; readonly reason: string } | undefined
  readonly authorization: string
  readonly path: string
  readonly #connection: Connection

  constructor(connection: Connection, path: string, authorization: string) {
    this.#connection = connection
    this.path = path
    this.authorization = authorization
  }

  take(text: string): void {
    this.frames.push(JSON.parse(text))
  }

  raw(text: string): void {
    this.#connection.send(text)
  }

  send(frame: object): void {
    this.raw(JSON.stringify(frame))
  }

  close(code: number, reason = ''): void {
    this.#connection.close(code, reason)
  }

  terminate(): void {
    this.#connection.terminate()
  }

  greet(fields: object = {}): void {
    this.send({ type: 'connected', ai_id: 1, ai_name: 'Ada', capabilities: ['resume.1'], ...fields })
  }

  ready(fields: object = {}): void {
    this.send(readyFrame(fields))
  }

  all(type: string): Frame[] {
    return this.frames.filter((frame) => frame.type === type)
  }
}

export function readyFrame(fields: object = {}): object {
  return {
    type: 'ready',
    resumed: true,
    reason: 'resumed',
    session_identifier: 'abc1234',
    generation: 1,
    stream: { epoch: 'e', floor: 0, top: 0, next: 1 },
    tx: { producer_epoch: 'p', verdict_seq: 0 },
    credit: { messages: 100, bytes: 100_000 },
    session_ttl_s: 1_000,
    token_ttl_s: 600,
    ...fields,
  }
}

export function messageFrame(offset: number, fields: object = {}): object {
  return {
    type: 'message',
    epoch: 'e',
    offset,
    mark: `mark ${offset}`,
    message_id: `in${offset}`,
    sender_id: 2,
    sender_name: 'Bo',
    content: offset,
    timestamp: '2026-01-01T00:00:00.000Z',
    ...fields,
  }
}

function refusalOf(
  status: number,
  retryAfterMs: number | undefined,
): { status: number; headers: Record<string, string> } {
  return { status, headers: retryAfterMs === undefined ? {} : { 'retry-after-ms': String(retryAfterMs) } }
}

/** A session, and a hub that says only what the test has it say. */
export class SessionWorld {
  readonly clock = new SimulatedClock()
  readonly random = createSeededRandom('session')
  readonly transport = new SimulatedTransport({ clock: this.clock, random: this.random })
  readonly store = new MemoryStore()
  readonly ends: HubEnd[] = []
  readonly states: SessionState[] = []
  readonly gaps: object[] = []
  readonly logged: string[] = []
  readonly exhausted: object[] = []
  readonly invalidated: string[] = []
  /** How often the next hub was asked to show who it is. */
  doubts = 0
  readonly recorded: number[] = []
  readonly session: Session
  ended: PerduraError | undefined
  token = 't1'
  refreshAtMs = Infinity
  access: () => Promise<Access> = async () => ({ token: this.token, refreshAtMs: this.refreshAtMs })
  /** The status that an upgrade is refused with. */
  refusal: number | undefined
  refusalRetryAfterMs: number | undefined

  readonly addresses: HubAddresses
  readonly #closers = new Map<string, () => void>()

  /** With `hosts`, the hub has an address at each of them. */
  constructor({
    hosts = ['hub'],
    ...options
  }: Partial<SessionOptions> & { readonly hosts?: readonly string[] } = {}) {
    for (const host of hosts) this.up(host)
    const log = createSimulatedLog(new Trace(), (event) => void this.logged.push(event))
    const list = hosts.map((host) => hubAddress(`ws://${host}:8768`))
    this.addresses = new HubAddresses({ list, clock: this.clock, log })
    this.session = new Session({
      clock: this.clock.for(outside),
      random: this.random,
      log,
      transport: this.transport.for(new SimulatedProcess()),
      addresses: this.addresses,
      credentials: {
        access: () => this.access(),
        invalidate: (token) => void this.invalidated.push(token),
        doubt: () => void (this.doubts += 1),
        recordGeneration: (generation) => void this.recorded.push(generation),
      },
      store: this.store,
      instance: 'one',
      onChange: ({ to }) => void this.states.push(to),
      onExhausted: (exhausted) => void this.exhausted.push(exhausted),
      onGap: (gap) => void this.gaps.push(gap),
      onEnd: (error) => (this.ended = error),
      ...options,
    })
  }

  /** The hub answers there. */
  up(host: string): void {
    const close = this.transport.serve(`ws://${host}:8768`, ({ path, headers }, connection) => {
      if (this.refusal !== undefined) return refusalOf(this.refusal, this.refusalRetryAfterMs)
      const end = new HubEnd(connection, path, headers['authorization'] ?? '')
      this.ends.push(end)
      return { onOpen: () => {}, onFrame: (text) => end.take(text), onClose: (close) => (end.closed = close) }
    })
    this.#closers.set(host, close)
  }

  /** Nobody answers there any more; what is connected stays so. */
  down(host: string): void {
    this.#closers.get(host)?.()
  }

  get host(): string {
    return this.addresses.current.rest.host
  }

  run(done: () => boolean): Promise<void> {
    return this.clock.run(done, { withinMs: 120_000 })
  }

  /** The next connection that the session makes. */
  async next(count = this.ends.length + 1): Promise<HubEnd> {
    await this.run(() => this.ends.length >= count)
    return this.ends[count - 1]!
  }

  /** A connection that has come as far as `resume`. */
  async asked(): Promise<HubEnd> {
    if (this.session.status.state === 'idle') this.session.start()
    const end = await this.next()
    end.greet()
    await this.run(() => end.all('resume').length > 0)
    return end
  }

  async online(fields: object = {}): Promise<HubEnd> {
    const end = await this.asked()
    end.ready(fields)
    await this.run(() => this.session.status.state === 'online')
    return end
  }

  /** Nothing is under way any more: no timer, no connection, no write. */
  async stopped(): Promise<void> {
    await this.clock.settle(this.session.stop(), { withinMs: 30_000 })
    if (this.store.busy > 0) throw new Error('something is being written still')
    const count = this.states.length
    await this.clock.runUntilQuiet({ withinMs: 120_000 })
    if (this.states.length > count) throw new Error('it has connected again')
    if (this.transport.network.tied > 0) throw new Error('a connection is left')
  }
}
