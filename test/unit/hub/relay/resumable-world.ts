import { PerduraError } from '../../../../src/errors.ts'
import type { Login } from '../../../../src/hub/auth/mint.ts'
import { credentialOfSecret } from '../../../../src/hub/auth/credentials.ts'
import { hubParts } from '../../../../src/hub/parts.ts'
import { Registry } from '../../../../src/hub/relay/registry.ts'
import { defaultRelayLimits, type Relay } from '../../../../src/hub/relay/relay.ts'
import { ResumableConnection } from '../../../../src/hub/relay/resumable-connection.ts'
import { TokenBuckets } from '../../../../src/platform/token-bucket.ts'
import { streamOf, tokenOf } from '../../../../src/hub/relay/upgrade.ts'
import type { HubStorage } from '../../../../src/hub/storage.ts'
import { activityLimits } from '../../../../src/hub/relay/plain-activity.ts'
import { SendQueues } from '../../../../src/hub/relay/send-queues.ts'
import { defaultStreamLimits } from '../../../../src/hub/streams.ts'
import type { Connection } from '../../../../src/platform/transport.ts'
import { closeReason } from '../../../../src/protocol/close-codes.ts'
import { SimulatedProcess, SimulatedTransport } from '../../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../../src/testing/simulated-log.ts'
import { Trace } from '../../../../src/testing/trace.ts'
import { HubWorld } from '../auth/world.ts'

/** Whatever a test reads in it. */
// oxlint-disable-next-line typescript/no-explicit-any
type Frame = any

/** An agent's end of a connection, played by the test. */
export class ScriptedAgent {
  readonly frames: Frame[] = []
  closed: { readonly code: number; readonly reason: string } | undefined
  opened = false
  /** Whether it answers pings. */
  alive = true
  readonly #world: ResumableWorld
  readonly #connection: Connection
  #next = 0

  constructor(world: ResumableWorld, path: string, token: string) {
    this.#world = world
    this.#connection = world.transport.for(new SimulatedProcess()).connect(
      `ws://hub:8768${path}`,
      { headers: { authorization: `Bearer ${token}` }, frameBytesMax: 16 * 1024 * 1024 },
      {
        onOpen: () => (this.opened = true),
        onFrame: (text) => this.#take(JSON.parse(text)),
        onClose: (close) => (this.closed = close),
      },
    )
  }

  #take(frame: Frame): void {
    if (frame.type !== 'ping') this.frames.push(frame)
    else if (this.alive && this.closed === undefined) this.send({ type: 'pong', sent_ms: frame.sent_ms })
  }

  send(frame: object): void {
    this.#connection.send(JSON.stringify(frame))
  }

  raw(text: string): void {
    this.#connection.send(text)
  }

  close(reason = ''): void {
    this.#connection.close(1000, reason)
  }

  /** Its machine is gone, without a word. */
  vanish(): void {
    this.#connection.terminate()
  }

  /** The next frame that has not been asked for yet, of this type where one is given. */
  async next(type?: string): Promise<Frame> {
    const find = (): number =>
      this.frames.findIndex((frame, at) => at >= this.#next && (type === undefined || frame.type === type))
    await this.#world.clock.run(() => find() >= 0 || this.closed !== undefined, { withinMs: 120_000 })
    const at = find()
    if (at < 0) throw new Error(`closed without ${type}: ${JSON.stringify(this.closed)}`)
    this.#next = at + 1
    return this.frames[at]
  }

  /** Why it was closed. */
  async ended(): Promise<string> {
    await this.#world.clock.run(() => this.closed !== undefined, { withinMs: 300_000 })
    return closeReason(this.closed!.code) ?? String(this.closed!.code)
  }
}

export class ResumableWorld extends HubWorld {
  readonly transport = new SimulatedTransport({ clock: this.clock, random: this.random })
  readonly registry = new Registry()
  readonly events: string[] = []
  /** Nothing can be read or written. */
  outage = false
  relay!: Relay
  #auth!: Awaited<ReturnType<HubWorld['auth']>>

  static async start(overrides: Partial<Relay> = {}): Promise<ResumableWorld> {
    const world = new ResumableWorld()
    const { ports, random, registry, storage } = world
    const reach = async <T>(operate: () => Promise<T>): Promise<T> => {
      if (world.outage) throw new PerduraError('ERR_HUB_STORAGE', 'no storage')
      return operate()
    }
    const guarded: HubStorage = {
      read: (operation) => reach(() => storage.read(operation)),
      write: (operation) => reach(() => storage.write(operation)),
      close: () => storage.close(),
    }
    const auth = await world.auth()
    world.#auth = auth
    world.relay = {
      clock: ports.clock,
      random,
      log: createSimulatedLog(new Trace(), (event) => void world.events.push(event)),
      storage: guarded,
      registry,
      parts: hubParts,
      limits: defaultRelayLimits,
      publishRates: new TokenBuckets(ports.clock, (overrides.limits ?? defaultRelayLimits).publishRate),
      streamLimits: defaultStreamLimits,
      activity: activityLimits(),
      sendQueues: new SendQueues({
        bytesMax: 2 ** 40,
        members: () => registry.members(),
        log: createSimulatedLog(new Trace()),
      }),
      nodeId: 'node',
      dueBy: () => ports.clock.now(),
      authenticate: (token) => reach(() => auth.authenticate(token)),
      revalidate: (who) => reach(() => auth.revalidate(who)),
      ...overrides,
    }
    world.transport.serve('ws://hub:8768', (upgrade, connection) => {
      if (streamOf(upgrade) !== 'session.resume') return { status: 404 }
      return new ResumableConnection(world.relay, connection, tokenOf(upgrade))
    })
    return world
  }

  async join(name: string): Promise<Login> {
    const fields = { name, nickname: name, expertise: '', version: '1', project: 'hub' }
    await this.settle(this.#auth.register(fields, credentialOfSecret(name, secret), undefined))
    return this.login(name)
  }

  login(name: string): Promise<Login> {
    return this.settle(
      this.#auth.login({
        name,
        nickname: undefined,
        aiId: undefined,
        proof: { kind: 'secret', secret },
        generation: undefined,
        isLocal: false,
      }),
    )
  }

  logout(token: string): Promise<void> {
    return this.settle(this.#auth.logout(token))
  }

  dial(token: string): ScriptedAgent {
    return new ScriptedAgent(this, '/ws/v1/connect?resume=1', token)
  }

  /** A connection that has been greeted, resumed and answered. */
  async open({ accessToken }: Login, resume: object = {}): Promise<{ agent: ScriptedAgent; ready: Frame }> {
    const agent = this.dial(accessToken)
    await agent.next('connected')
    agent.send(resumeFrame(resume))
    return { agent, ready: await agent.next('ready') }
  }

  /** Sends as REST does. */
  async publish(from: Login, to: Login, id: string, content = `content of ${id}`): Promise<void> {
    const { recipients } = await this.settle(
      this.storage.write((tx) =>
        hubParts.publishOnce(
          tx,
          this.relay.streamLimits,
          { aiId: from.aiId, name: from.name, generation: undefined },
          {
            id,
            recipient: { aiId: to.aiId },
            conversationId: undefined,
            subject: undefined,
            content,
            messageType: 'text',
            metadata: undefined,
          },
          this.ports.clock.now(),
        ),
      ),
    )
    this.registry.wake(recipients)
  }

  acked({ aiId }: Login): number {
    return Number(this.database.prepare('SELECT acked FROM streams WHERE ai_id = ?').get(aiId)?.['acked'])
  }

  holder({ aiId }: Login): { instance: string; generation: number } | undefined {
    const row = this.database.prepare('SELECT instance, generation FROM holders WHERE ai_id = ?').get(aiId)
    return row === undefined ? undefined : ({ ...row } as { instance: string; generation: number })
  }
}

const secret = 'a secret of enough characters'

export function resumeFrame(fields: object = {}): object {
  return {
    type: 'resume',
    instance: 'one',
    generation: 0,
    claim: 'claim',
    credit: { messages: 100, bytes: 1_000_000 },
    ...fields,
  }
}

export function publishFrame(ready: Frame, seq: number, fields: object = {}): object {
  return {
    type: 'publish',
    producer_epoch: ready.tx.producer_epoch,
    seq,
    id: `m${seq}`,
    recipient_name: 'Bo',
    content: `content ${seq}`,
    ...fields,
  }
}
