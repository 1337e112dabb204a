import { createHub, type HubOptions } from '../../../src/hub/hub.ts'
import { SqliteStorage } from '../../../src/hub/storage/sqlite-storage.ts'
import type { HttpListener, HttpRequest, HttpResponse } from '../../../src/platform/http.ts'
import type { AcceptConnection, Connection, Transport } from '../../../src/platform/transport.ts'
import { hubAddress } from '../../../src/session/hub-address.ts'
import { HubAddresses } from '../../../src/session/hub-addresses.ts'
import {
  Session,
  type Access,
  type SessionCredentials,
  type SessionOptions,
} from '../../../src/session/session.ts'
import { SimulatedDatabase } from '../../../src/testing/database.ts'
import {
  createSeededRandom,
  createSimulatedPlatform,
  SimulatedClock,
  SimulatedDisk,
  SimulatedHttp,
  SimulatedNetwork,
  SimulatedProcess,
  SimulatedTransport,
  type SeededRandom,
} from '../../../src/testing/index.ts'
import type { Attempt } from '../../helpers/herd-figures.ts'
import { silentLog } from '../../helpers/silent-log.ts'
import { LightSessionStore } from '../../helpers/light-session-store.ts'

/** Parts that are put in place of the usual ones, to see that it shows. */
export interface HerdSwaps {
  /** Of one agent. */
  readonly createRetry?: NonNullable<SessionOptions['createRetry']>
  /** Of one agent. */
  readonly transport?: (transport: Transport) => Transport
  /** Of the hub. */
  readonly accept?: (accept: AcceptConnection) => AcceptConnection
}

export interface HerdWorldOptions {
  readonly seed: number
  readonly agents: number
  readonly swaps?: HerdSwaps
}

const secret = 'a secret of thirty-two characters'
const plenty = { perSecond: 1_000_000, burst: 1_000_000 }
/** How they came is not what is looked at. */
const liberal = {
  resumes: plenty,
  newSessions: plenty,
  logins: plenty,
  address: plenty,
  underWayMax: 1_000_000,
}
const hubHost = 'hub'
const port = 8768
/**
 * A real hub and a herd of agents on a simulated network and clock. Of an agent there is its session and nothing else:
 * connecting, waiting, resuming are the product's, what an agent has on its disk is kept in memory.
 */
export class HerdWorld {
  readonly clock = new SimulatedClock()
  /** Monotonic ms. */
  readonly attempts: Attempt[] = []
  online = 0
  /** When the latest one has gone online. */
  lastOnlineMs = 0
  /** Asked of the hub with each connection that has gone live: whether it lets it live. */
  mayLive: () => boolean = () => true
  readonly #options: HerdWorldOptions
  readonly #random: SeededRandom
  readonly #network: SimulatedNetwork
  readonly #http: SimulatedHttp
  readonly #transport: SimulatedTransport
  readonly #disk: SimulatedDisk
  readonly #database: SimulatedDatabase
  readonly #agents: SimulatedProcess[] = []
  /** The hub's side of those that are open. */
  readonly #connections = new Set<Connection>()
  #hub: SimulatedProcess | undefined
  #handle: ((request: HttpRequest) => Promise<HttpResponse>) | undefined
  #hubs = 0

  constructor(options: HerdWorldOptions) {
    const { clock } = this
    const random = createSeededRandom(`herd ${options.seed}`)
    this.#options = options
    this.#random = random
    this.#network = new SimulatedNetwork({ clock, random })
    this.#network.delayMs = { min: 1, max: 40 }
    this.#http = new SimulatedHttp({ clock, random, network: this.#network })
    this.#transport = new SimulatedTransport({ clock, random, network: this.#network })
    this.#disk = new SimulatedDisk({ clock, random: random.fork('disk') })
    this.#database = new SimulatedDatabase({ clock, random: random.fork('database'), imageRate: 0 })
  }

  async startHub(admission: NonNullable<HubOptions['admission']> = {}): Promise<void> {
    this.#hubs += 1
    const process = new SimulatedProcess({ name: `hub ${this.#hubs}` })
    this.#network.place(process, hubHost)
    const platform = this.#platform(process)
    const database = this.#database.for(process, platform.disk).open()
    await this.clock.settle(
      createHub({
        platform: { ...platform, listener: this.#watched(platform.listener) },
        log: silentLog,
        storage: new SqliteStorage({ database, clock: platform.clock, process, queueMax: 1_000_000 }),
        keysFolder: '/hub/keys',
        addresses: [{ host: '0.0.0.0', port }],
        auth: { accessTtlS: 86_400 },
        requestsPerMinute: 10_000_000,
        admission,
      }),
    )
    this.#hub = process
  }

  /** SIGKILL: all connections drop at once. */
  killHub(): void {
    this.#hub?.kill()
    this.#hub = undefined
    this.#connections.clear()
  }

  /** All connections are reset at once, and the hub goes on. */
  dropAll(): void {
    for (const connection of this.#connections) connection.terminate()
  }

  /** Time passes. */
  async wait(ms: number): Promise<void> {
    await this.clock.runFor(ms, { eventsMax: 1e9 })
  }

  /**
   * Each agent has its session, on a machine of its own, and a login that is of its generation: they have been there for a
   * while.
   */
  async gather(): Promise<void> {
    await this.startHub(liberal)
    const agents: { readonly name: string; readonly credentials: HerdCredentials }[] = []
    for (let number = 0; number < this.#options.agents; number += 1) {
      const name = `agent${number}`
      await this.#ask('/ai/register', { name, ai_secret: secret })
      const credentials = new HerdCredentials(await this.#login(name, 0))
      this.#join(name, credentials)
      agents.push({ name, credentials })
    }
    await this.allOnline()
    for (const { name, credentials } of agents) credentials.token = await this.#login(name, 1)
    this.killHub()
    // It takes a moment until they hear of it.
    await this.wait(1_000)
  }

  async allOnline(withinMs = 3_600_000): Promise<void> {
    await this.clock.run(() => this.online === this.#options.agents, { withinMs, eventsMax: 1e9 })
  }

  end(): void {
    this.killHub()
    for (const process of this.#agents) process.kill()
  }

  #join(name: string, credentials: HerdCredentials): void {
    const process = new SimulatedProcess({ name })
    this.#network.place(process, name)
    this.#agents.push(process)
    const { swaps = {} } = this.#options
    const clock = this.clock.for(process)
    const random = this.#random.fork(name)
    const transport = this.#counted(name, this.#transport.for(process))
    const session = new Session({
      clock,
      random,
      log: silentLog,
      transport: swaps.transport?.(transport) ?? transport,
      addresses: new HubAddresses({ list: [hubAddress(`http://${hubHost}:${port}`)], clock, log: silentLog }),
      credentials,
      store: new LightSessionStore(),
      instance: random.uuid(),
      ...(swaps.createRetry !== undefined && { createRetry: swaps.createRetry }),
      onChange: ({ from, to }) => {
        if (from === 'online') this.online -= 1
        if (to !== 'online') return
        this.online += 1
        this.lastOnlineMs = this.clock.monotonicMs()
      },
      onExhausted: () => undefined,
      onGap: () => undefined,
      onEnd: (error) => {
        throw error
      },
    })
    session.start()
  }

  async #login(name: string, generation: number): Promise<string> {
    const { token } = await this.#ask('/auth/login', { ai_name: name, ai_secret: secret, generation })
    return token
  }

  async #ask(path: string, body: object): Promise<{ readonly token: string }> {
    const request = {
      method: 'POST',
      path: `/api/v1${path}`,
      headers: {},
      body: Buffer.from(JSON.stringify(body)),
      remoteAddress: '10.255.0.1',
    }
    const answer = this.#handle?.(request)
    if (answer === undefined) throw new Error('there is no hub')
    const { status, body: text } = await this.clock.settle(answer)
    if (status !== 200) throw new Error(`${path}: ${status} ${Buffer.from(text).toString()}`)
    return JSON.parse(Buffer.from(text).toString())
  }

  #platform(process: SimulatedProcess): ReturnType<typeof createSimulatedPlatform> {
    return createSimulatedPlatform({
      clock: this.clock,
      http: this.#http,
      transport: this.#transport,
      disk: this.#disk,
      process,
      random: this.#random,
    })
  }

  /** When an agent asks, the network sees. */
  #counted(agent: string, transport: Transport): Transport {
    return {
      connect: (...call) => {
        this.attempts.push({ agent, ms: this.clock.monotonicMs() })
        return transport.connect(...call)
      },
    }
  }

  #watched(listener: HttpListener): HttpListener {
    return {
      listen: (address, options, handle) => {
        this.#handle = handle
        const { upgrade } = options
        if (upgrade === undefined) return listener.listen(address, options, handle)
        const accept = this.#options.swaps?.accept?.(upgrade.accept) ?? upgrade.accept
        const watched = { ...upgrade, accept: this.#mortal(accept) }
        return listener.listen(address, { ...options, upgrade: watched }, handle)
      },
    }
  }

  /** A connection ends as soon as it is live, where it may not live. */
  #mortal(accept: AcceptConnection): AcceptConnection {
    return (upgrade, connection) => {
      const own: Connection = {
        get bufferedBytes() {
          return connection.bufferedBytes
        },
        send: (frame) => {
          connection.send(frame)
          if (frame.startsWith('{"type":"ready"') && !this.mayLive()) {
            this.clock.schedule(100, () => connection.terminate(), this.#hub)
          }
        },
        ping: () => connection.ping(),
        close: (code, reason) => connection.close(code, reason),
        terminate: () => connection.terminate(),
      }
      const answer = accept(upgrade, own)
      if ('status' in answer) return answer
      this.#connections.add(connection)
      return {
        onOpen: () => answer.onOpen(),
        onFrame: (frame) => answer.onFrame(frame),
        onPong: () => answer.onPong?.(),
        onClose: (close) => {
          this.#connections.delete(connection)
          answer.onClose(close)
        },
      }
    }
  }
}

/** One token, which is good for as long as the simulation takes. */
class HerdCredentials implements SessionCredentials {
  token: string

  constructor(token: string) {
    this.token = token
  }

  async access(): Promise<Access> {
    return { token: this.token, refreshAtMs: Infinity }
  }

  invalidate(): void {
    throw new Error('a token of the herd was not taken')
  }

  recordGeneration(): void {}
}
