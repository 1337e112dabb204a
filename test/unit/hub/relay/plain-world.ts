import { PerduraError } from '../../../../src/errors.ts'
import type { Login } from '../../../../src/hub/auth/mint.ts'
import { credentialOfSecret } from '../../../../src/hub/auth/credentials.ts'
import { hubParts } from '../../../../src/hub/parts.ts'
import type { Publication } from '../../../../src/hub/publishing.ts'
import { PlainConnection } from '../../../../src/hub/relay/plain-connection.ts'
import { Registry } from '../../../../src/hub/relay/registry.ts'
import { defaultRelayLimits, type Relay } from '../../../../src/hub/relay/relay.ts'
import { TokenBuckets } from '../../../../src/platform/token-bucket.ts'
import { streamOf, tokenOf } from '../../../../src/hub/relay/upgrade.ts'
import type { HubStorage } from '../../../../src/hub/storage.ts'
import { activityLimits } from '../../../../src/hub/relay/plain-activity.ts'
import { SendQueues } from '../../../../src/hub/relay/send-queues.ts'
import { defaultStreamLimits } from '../../../../src/hub/streams.ts'
import type { LogFields } from '../../../../src/platform/log.ts'
import type { Connection } from '../../../../src/platform/transport.ts'
import { SimulatedProcess, SimulatedTransport } from '../../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../../src/testing/simulated-log.ts'
import { Trace } from '../../../../src/testing/trace.ts'
import { HubWorld } from '../auth/world.ts'

/** Whatever a test reads in it. */
// oxlint-disable-next-line typescript/no-explicit-any
type Frame = any

/** A socket of a v1 client, and all that has come over it. */
export class PlainClient {
  readonly frames: Frame[] = []
  closed: { readonly code: number; readonly reason: string } | undefined
  #connection: Connection | undefined
  readonly #world: PlainWorld

  constructor(world: PlainWorld) {
    this.#world = world
  }

  connect(url: string, headers: Readonly<Record<string, string>> = {}): this {
    this.#connection = this.#world.transport.for(this.#world.client).connect(
      url,
      { headers, frameBytesMax: 4 * 1024 * 1024 },
      {
        onOpen: () => {},
        onFrame: (text) => this.frames.push(JSON.parse(text)),
        onClose: (close) => (this.closed = close),
      },
    )
    return this
  }

  send(frame: object): void {
    this.raw(JSON.stringify(frame))
  }

  raw(text: string): void {
    this.#connection!.send(text)
  }

  close(): void {
    this.#connection!.close(1000, '')
  }

  /** The next frame of this type that has not been asked for yet. */
  async next(type: string): Promise<Frame> {
    const index = (): number => this.frames.findIndex((frame) => frame.type === type)
    await this.#world.clock.run(() => index() >= 0, { withinMs: 60_000 })
    return this.frames.splice(index(), 1)[0]
  }

  async ended(withinMs = 120_000): Promise<number> {
    await this.#world.clock.run(() => this.closed !== undefined, { withinMs })
    return this.closed!.code
  }

  types(): string[] {
    return this.frames.map(({ type }) => type as string)
  }
}

/** A hub's plain sockets in virtual time, with agents that have logged in. */
export class PlainWorld extends HubWorld {
  readonly transport = new SimulatedTransport({ clock: this.clock, random: this.random.fork('net') })
  readonly client = this.transport.network.place(new SimulatedProcess({ name: 'client' }), 'client')
  readonly registry = new Registry()
  readonly logged: { readonly event: string; readonly fields: LogFields }[] = []
  readonly trace = new Trace()
  /** Nothing can be read or written. */
  outage = false
  relay!: Relay
  #auth!: Awaited<ReturnType<HubWorld['auth']>>

  static async start(): Promise<PlainWorld> {
    const world = new PlainWorld()
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
      log: createSimulatedLog(world.trace, (event, fields) => void world.logged.push({ event, fields })),
      storage: guarded,
      registry,
      parts: hubParts,
      limits: defaultRelayLimits,
      publishRates: new TokenBuckets(ports.clock, defaultRelayLimits.publishRate),
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
    }
    world.transport.serve('ws://hub:8768', (upgrade, connection) => {
      const stream = streamOf(upgrade)
      if (stream === undefined || stream === 'session.resume') return { status: 404 }
      return new PlainConnection(world.relay, connection, { token: tokenOf(upgrade), stream })
    })
    return world
  }

  async join(name: string): Promise<Login> {
    const secret = 'a secret of enough characters'
    const fields = { name, nickname: `nick ${name}`, expertise: 'tests', version: '1', project: 'hub' }
    await this.settle(this.#auth.register(fields, credentialOfSecret(name, secret), undefined))
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

  dial(path: string, headers?: Readonly<Record<string, string>>): PlainClient {
    return new PlainClient(this).connect(`ws://hub:8768${path}`, headers)
  }

  /** A client that has been greeted. */
  async open(token: string, stream = 'connect'): Promise<PlainClient> {
    const client = this.dial(`/ws/v1/${stream}?token=${token}`)
    await client.next(stream === 'connect' ? 'connected' : 'subscribed')
    return client
  }

  /** Sends as REST does. */
  async publish(
    from: Login,
    recipient: Publication['recipient'],
    fields: Partial<Publication>,
  ): Promise<void> {
    const publication: Publication = {
      id: this.random.uuid(),
      recipient,
      conversationId: undefined,
      subject: undefined,
      content: 'hello',
      messageType: 'text',
      metadata: undefined,
      ...fields,
    }
    const actor = { aiId: from.aiId, name: from.name, generation: undefined }
    const { recipients } = await this.settle(
      this.storage.write((tx) =>
        hubParts.publishOnce(tx, defaultStreamLimits, actor, publication, this.clock.now()),
      ),
    )
    this.registry.wake(recipients)
  }
}
