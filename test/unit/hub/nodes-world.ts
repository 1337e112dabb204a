import { DatabaseSync } from 'node:sqlite'
import { PerduraError } from '../../../src/errors.ts'
import { createHub, type Hub, type HubOptions } from '../../../src/hub/hub.ts'
import { SqliteStorage } from '../../../src/hub/storage/sqlite-storage.ts'
import type { HubStorage } from '../../../src/hub/storage.ts'
import { requestJson } from '../../../src/platform/http-json.ts'
import type { Connection, ConnectionClose } from '../../../src/platform/transport.ts'
import {
  createSeededRandom,
  createSimulatedPlatform,
  outside,
  SimulatedClock,
  SimulatedDisk,
  SimulatedHttp,
  SimulatedNetwork,
  SimulatedProcess,
  SimulatedTransport,
} from '../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'
import { resumeFrame } from './relay/resumable-world.ts'

/** Whatever a test reads in it. */
// oxlint-disable-next-line typescript/no-explicit-any
type Body = any

const port = 8768
const secret = 'a secret of enough characters'

/** A client's end of a socket to one of the hubs. */
export class Socket {
  readonly frames: Body[] = []
  opened = false
  /** Whether it answers pings of the hub. */
  alive = true
  closed: ConnectionClose | undefined
  /** Virtual ms at which it was closed. */
  closedMs: number | undefined
  readonly #world: NodesWorld
  readonly #connection: Connection

  constructor(world: NodesWorld, url: string, token: string, from: SimulatedProcess) {
    this.#world = world
    this.#connection = world.transport.for(from).connect(
      url,
      { headers: { authorization: `Bearer ${token}` }, frameBytesMax: 16 * 1024 * 1024 },
      {
        onOpen: () => (this.opened = true),
        onFrame: (text) => this.#take(JSON.parse(text)),
        onClose: (close) => {
          this.closed = close
          this.closedMs = world.clock.monotonicMs()
        },
      },
    )
  }

  #take(frame: Body): void {
    if (frame.type !== 'ping') this.frames.push(frame)
    else if (this.alive && this.closed === undefined) this.send({ type: 'pong', sent_ms: frame.sent_ms })
  }

  send(frame: object): void {
    this.#connection.send(JSON.stringify(frame))
  }

  close(): void {
    this.#connection.close(1000, '')
  }

  /** The first frame of this type that has come, or comes. */
  async first(type: string): Promise<Body> {
    const find = (): Body => this.frames.find((frame) => frame.type === type)
    await this.#world.clock.run(() => find() !== undefined || this.closed !== undefined, { withinMs: 60_000 })
    if (find() === undefined) throw new Error(`closed without ${type}: ${JSON.stringify(this.closed)}`)
    return find()
  }

  async ended(withinMs = 60_000): Promise<ConnectionClose> {
    await this.#world.clock.run(() => this.closed !== undefined, { withinMs })
    return this.closed as ConnectionClose
  }
}

/** Whole hubs on one database, in virtual time, with a client that the test plays. */
export class NodesWorld {
  readonly clock = new SimulatedClock()
  readonly random = createSeededRandom(1)
  readonly network = new SimulatedNetwork({ clock: this.clock, random: this.random })
  readonly http = new SimulatedHttp({ clock: this.clock, random: this.random, network: this.network })
  readonly transport = new SimulatedTransport({
    clock: this.clock,
    random: this.random,
    network: this.network,
  })
  readonly client = this.network.place(new SimulatedProcess({ name: 'client' }), 'client')
  readonly disk = new SimulatedDisk({ clock: this.clock, random: this.random.fork('disk') })
  readonly storage = new SqliteStorage({
    database: new DatabaseSync(':memory:'),
    clock: this.clock.for(outside),
    process: new SimulatedProcess(),
  })
  readonly events: string[] = []
  /** Hubs that cannot reach the database. */
  readonly cutOff = new Set<string>()
  #starts = 0

  async start(host: string, options: Partial<HubOptions> = {}): Promise<Hub> {
    const { clock, disk, http, transport, random, network, storage } = this
    const process = network.place(new SimulatedProcess({ name: `${host} ${(this.#starts += 1)}` }), host)
    const reach = async <T>(operate: () => Promise<T>): Promise<T> => {
      if (this.cutOff.has(host)) throw new PerduraError('ERR_HUB_STORAGE', 'no storage')
      return operate()
    }
    const own: HubStorage = {
      read: (operation) => reach(() => storage.read(operation)),
      write: (operation) => reach(() => storage.write(operation)),
      // The other hubs have it still.
      close: () => Promise.resolve(),
    }
    return this.settle(
      createHub({
        platform: createSimulatedPlatform({ clock, disk, http, transport, process, random }),
        log: createSimulatedLog(new Trace(), (event) => void this.events.push(event)),
        storage: own,
        keysFolder: '/keys',
        addresses: [{ host: '0.0.0.0', port }],
        ...options,
      }),
    )
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return this.clock.settle(promise)
  }

  async call(
    host: string,
    method: string,
    path: string,
    { token, body }: { readonly token?: string; readonly body?: Body } = {},
  ): Promise<{ readonly status: number; readonly headers: Body; readonly body: Body }> {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const request = { method, path: `/api/v1${path}`, headers, ...(body !== undefined && { body }) }
    return this.settle(
      requestJson(this.http.clientFor(this.client), { host, port }, request, { timeoutMs: 10_000 }),
    )
  }

  /** Registers an agent and logs it in: its access token. */
  async join(host: string, name: string, generation?: number): Promise<string> {
    await this.call(host, 'POST', '/ai/register', { body: { name, ai_secret: secret } })
    return this.login(host, name, generation)
  }

  async login(host: string, name: string, generation?: number): Promise<string> {
    const body = { ai_name: name, ai_secret: secret, ...(generation !== undefined && { generation }) }
    const answer = await this.call(host, 'POST', '/auth/login', { body })
    if (answer.status !== 200) throw new Error(`no login: ${JSON.stringify(answer.body)}`)
    return answer.body.token
  }

  dial(host: string, token: string, path = '/ws/v1/connect?resume=1', from = this.client): Socket {
    return new Socket(this, `ws://${host}:${port}${path}`, token, from)
  }

  /** A client on a host of its own. */
  guest(host: string): SimulatedProcess {
    return this.network.place(new SimulatedProcess({ name: host }), host)
  }

  /** A session that is live; its instance is `instance`. */
  async open(host: string, token: string, fields: object = {}, from = this.client): Promise<Socket> {
    const socket = this.dial(host, token, undefined, from)
    await socket.first('connected')
    socket.send(resumeFrame(fields))
    await socket.first('ready')
    return socket
  }
}
