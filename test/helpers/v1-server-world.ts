import { openCredentialFile } from '../../src/credentials/credential-file.ts'
import { HubCredentials } from '../../src/credentials/hub-credentials.ts'
import { toError } from '../../src/errors.ts'
import type { AgentDefinition } from '../../src/index.ts'
import type { Http, HttpServer } from '../../src/platform/http.ts'
import type { Agent } from '../../src/runtime/agent.ts'
import { assembleAgent } from '../../src/runtime/assemble.ts'
import { HubLink } from '../../src/runtime/hub/hub-link.ts'
import { agentParts } from '../../src/runtime/parts.ts'
import { hubAddress } from '../../src/session/hub-address.ts'
import { HubAddresses } from '../../src/session/hub-addresses.ts'
import type { PlainStore } from '../../src/session/plain-store.ts'
import { openNoteIndex } from '../../src/store/sqlite/note-index.ts'
import { isDeath } from '../../src/testing/death.ts'
import {
  createSimulatedPlatform,
  SimulatedClock,
  SimulatedDatabase,
  SimulatedDisk,
  SimulatedHttp,
  SimulatedNetwork,
  SimulatedProcess,
  SimulatedTransport,
  type SeededRandom,
} from '../../src/testing/index.ts'
import { outside } from '../../src/testing/owner.ts'
import { createSimulatedLog } from '../../src/testing/simulated-log.ts'
import { Trace } from '../../src/testing/trace.ts'
import { openQuickStore } from '../simulation/wire/quick-store.ts'
import { V1Server, type V1ServerOptions } from './v1-server.ts'
import { V1Database } from './v1-server-database.ts'

export const v1Host = 'v1'

export interface V1Swaps {
  /** What the agents ask the server over REST goes through this. */
  readonly http?: (http: Http) => Http
  readonly store?: (store: PlainStore) => PlainStore
}

/** A network with a plain v1 server on it, which can be stopped and started again. */
export class V1World {
  readonly random: SeededRandom
  readonly clock = new SimulatedClock()
  readonly network: SimulatedNetwork
  readonly http: SimulatedHttp
  readonly transport: SimulatedTransport
  readonly trace = new Trace()
  readonly database = new V1Database()
  readonly swaps: V1Swaps
  server: V1Server | undefined
  readonly #options: Omit<V1ServerOptions, 'clock' | 'database'>
  #down: (() => void) | undefined

  constructor(
    random: SeededRandom,
    options: Omit<V1ServerOptions, 'clock' | 'database'> = {},
    swaps: V1Swaps = {},
  ) {
    const { clock } = this
    this.random = random
    this.swaps = swaps
    this.network = new SimulatedNetwork({ clock, random })
    this.http = new SimulatedHttp({ clock, random, network: this.network })
    this.transport = new SimulatedTransport({ clock, random, network: this.network })
    this.#options = options
  }

  startServer(): void {
    if (this.server !== undefined) return
    const server = new V1Server({ ...this.#options, clock: this.clock.for(outside), database: this.database })
    const http: HttpServer = this.http.serve({ host: v1Host, port: 8767 }, server.handle)
    const takeAway = this.transport.serve(`ws://${v1Host}:8768`, server.accept)
    this.server = server
    this.#down = () => {
      void http.close(0)
      takeAway()
      server.stop()
    }
    this.trace.add('the server is up')
  }

  stopServer(): void {
    this.server = undefined
    this.#down?.()
    this.#down = undefined
    this.trace.add('the server is down')
  }

  /** What a v1 client does that writes to an agent. */
  write(from: string, to: string, content: string): void {
    const nowMs = this.clock.now()
    const senderId = this.database.profile(from, nowMs).id
    const recipientId = this.database.profile(to, nowMs).id
    const message = { senderId, recipientId, subject: null, content, messageType: 'text', metadata: {} }
    this.database.store(message, nowMs)
  }

  /** What has come for somebody, oldest first. */
  inboxOf(name: string): { readonly from: string; readonly content: string }[] {
    return this.database
      .inboxOf(this.database.profile(name, this.clock.now()).id)
      .toReversed()
      .map(({ senderId, content }) => ({ from: this.database.byId(senderId)?.name ?? '', content }))
  }
}

/** A machine with one agent, whose processes die and are started again. */
export class V1AgentMachine {
  readonly name: string
  agent: Agent | undefined
  session = 'none'
  process: SimulatedProcess | undefined
  readonly #world: V1World
  readonly #definition: AgentDefinition
  readonly #disk: SimulatedDisk
  readonly #database: SimulatedDatabase
  readonly #random: SeededRandom
  #starts = 0
  #aim: number | undefined

  constructor(definition: AgentDefinition, world: V1World) {
    this.name = definition.name
    this.#definition = definition
    this.#world = world
    this.#random = world.random.fork(`machine ${this.name}`)
    const { clock } = world
    this.#disk = new SimulatedDisk({ clock, random: this.#random.fork('disk') })
    this.#database = new SimulatedDatabase({ clock, random: this.#random.fork('database') })
    this.#database.onBoundary = () => this.#boundary('database')
  }

  get alive(): boolean {
    return this.process?.alive === true
  }

  /** The process is to die at the n-th boundary from now on: a call of its database, or a request. */
  aim(count: number | undefined): void {
    this.#aim = count
  }

  boot(onDeath: () => void): void {
    const { network, trace } = this.#world
    this.#starts += 1
    const process = new SimulatedProcess({ pid: 100 + this.#starts, name: `${this.name} ${this.#starts}` })
    network.place(process, this.name)
    this.process = process
    trace.add(`boot ${process.name}`)
    process.onDeath(() => {
      trace.add(`died ${process.name}: ${process.reason?.message ?? ''}`)
      onDeath()
    })
    void this.#start(process).catch((thrown: unknown) => {
      if (!process.alive || isDeath(thrown)) return
      trace.add(`${process.name} could not start: ${toError(thrown).message}`)
      process.kill('could not start')
    })
  }

  async #start(process: SimulatedProcess): Promise<void> {
    this.agent = undefined
    this.session = 'none'
    const { clock, http, transport, trace, swaps } = this.#world
    const platform = createSimulatedPlatform({
      clock,
      http,
      transport,
      disk: this.#disk,
      process,
      random: this.#random,
    })
    const log = createSimulatedLog(trace).with({ at: process.name })
    const address = hubAddress(`http://${v1Host}:8767`)
    const own = this.#killable(swaps.http?.(platform.http) ?? platform.http)
    platform.disk.makeFolder('/agent')
    const agent = await assembleAgent({
      definition: this.#definition,
      folder: '/agent',
      files: this.#database.for(process, platform.disk),
      platform,
      log,
      openSearch: (reader) => openNoteIndex({ path: ':memory:', reader }),
      deliver: () => Promise.reject(new Error('there is a server')),
      openHub: () => {
        const file = openCredentialFile({
          ...platform,
          chest: platform.openKeyChest('/', log),
          path: '/agent/credentials',
        })
        const addresses = new HubAddresses({ list: [address], clock: platform.clock, log })
        const hub = { addresses, pathPrefix: '' }
        const credentials = new HubCredentials({ ...platform, file, log, hub, name: this.name })
        return {
          key: address.key,
          addresses,
          transport: platform.transport,
          http: own,
          createLink: (options) => new HubLink(options),
          credentials,
        }
      },
      parts: {
        ...agentParts,
        openStore: openQuickStore,
        createPlainStore: (options) => {
          const store = agentParts.createPlainStore(options)
          return swaps.store?.(store) ?? store
        },
      },
    })
    if (!process.alive) return
    agent.on('session:state:changed', ({ to }) => (this.session = to))
    this.agent = agent
  }

  /** Before a request goes out, and after its answer has come, a process may die too. */
  #killable(http: Http): Http {
    return {
      request: async (...call) => {
        this.#boundary('before a request')
        const answer = await http.request(...call)
        this.#boundary('after an answer')
        return answer
      },
    }
  }

  #boundary(kind: string): void {
    if (this.#aim === undefined || !this.alive) return
    this.#aim -= 1
    if (this.#aim > 0) return
    this.#aim = undefined
    this.process?.dieHere(`killed at a boundary of ${kind}`)
  }
}
