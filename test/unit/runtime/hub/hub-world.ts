import { dirname } from 'node:path'
import { defineAgent, type AgentDefinition } from '../../../../src/index.ts'
import { createHub, type Hub } from '../../../../src/hub/hub.ts'
import type { StreamLimits } from '../../../../src/hub/streams.ts'
import { SqliteStorage } from '../../../../src/hub/storage/sqlite-storage.ts'
import type { Verdict } from '../../../../src/queue/outbox.ts'
import type { AgentLimits } from '../../../../src/runtime/agent-limits.ts'
import type { Agent } from '../../../../src/runtime/agent.ts'
import { assembleAgent } from '../../../../src/runtime/assemble.ts'
import { openHub } from '../../../../src/runtime/hub/open-hub.ts'
import { hubAddressList } from '../../../../src/session/hub-address.ts'
import { openNoteIndex } from '../../../../src/store/sqlite/note-index.ts'
import { SimulatedDatabase } from '../../../../src/testing/database.ts'
import { SimulatedDisk } from '../../../../src/testing/disk.ts'
import {
  createSeededRandom,
  createSimulatedPlatform,
  outside,
  SimulatedClock,
  SimulatedHttp,
  SimulatedNetwork,
  SimulatedProcess,
  SimulatedTransport,
} from '../../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../../src/testing/simulated-log.ts'
import { Trace } from '../../../../src/testing/trace.ts'

/** What outlives the processes of one hub or agent. */
export interface Place {
  readonly disk: SimulatedDisk
  readonly database: SimulatedDatabase
}

export interface OpenOptions {
  /** Without it there is none. */
  readonly hub?: string
  readonly trustNewHub?: boolean
  readonly takeover?: boolean
  readonly definition?: AgentDefinition
  readonly deliver?: () => Promise<Verdict>
  readonly limits?: Partial<AgentLimits>
}

export interface TestAgent {
  readonly agent: Agent
  readonly process: SimulatedProcess
  /** How its session stands, as it said last. */
  session: string
  ended: string | undefined
}

/** Hubs and agents with their real code, on one simulated machine. */
export class HubWorld {
  readonly clock = new SimulatedClock()
  readonly random = createSeededRandom('hub world')
  readonly logged: string[] = []
  readonly network = new SimulatedNetwork({ clock: this.clock, random: this.random })
  readonly #http = new SimulatedHttp({ clock: this.clock, random: this.random, network: this.network })
  readonly #transport = new SimulatedTransport({
    clock: this.clock,
    random: this.random,
    network: this.network,
  })
  #pid = 100

  place(): Place {
    const { clock } = this
    const random = this.random.fork(`place ${(this.#pid += 1)}`)
    return {
      disk: new SimulatedDisk({ clock, random }),
      database: new SimulatedDatabase({ clock, random, imageRate: 0 }),
    }
  }

  /** A copy of an agent's folder. */
  copyOf({ disk, database }: Place): Place {
    const copy = this.place()
    copy.database.putBack(database.image() ?? new Uint8Array())
    const port = copy.disk.for(outside)
    for (const path of disk.files()) {
      port.makeFolder(dirname(path))
      port.replaceFile(path, disk.content(path))
    }
    return copy
  }

  async hub(
    { disk, database }: Place,
    port: number,
    streamLimits: Partial<StreamLimits> = {},
  ): Promise<{ hub: Hub; process: SimulatedProcess }> {
    const process = new SimulatedProcess({ pid: (this.#pid += 1), name: `hub ${this.#pid}` })
    const platform = this.platform(process, disk)
    const hub = await this.#settle(
      createHub({
        platform,
        log: createSimulatedLog(new Trace()),
        storage: new SqliteStorage({
          database: database.for(process, platform.disk).open(),
          clock: platform.clock,
          process,
        }),
        keysFolder: '/hub/keys',
        addresses: [{ host: '0.0.0.0', port }],
        streamLimits,
      }),
    )
    return { hub, process }
  }

  async open(name: string, { disk, database }: Place, options: OpenOptions = {}): Promise<TestAgent> {
    const process = new SimulatedProcess({ pid: (this.#pid += 1), name: `${name} ${this.#pid}` })
    const platform = this.platform(process, disk)
    const {
      hub,
      trustNewHub,
      takeover,
      limits = {},
      deliver = () => Promise.reject(new Error('there is a hub')),
    } = options
    const log = createSimulatedLog(new Trace(), (event) => void this.logged.push(event))
    platform.disk.makeFolder('/agent')
    const agent = await this.#settle(
      assembleAgent({
        definition: options.definition ?? defineAgent({ name }),
        folder: '/agent',
        files: database.for(process, platform.disk),
        platform,
        log,
        openSearch: (reader) => openNoteIndex({ path: ':memory:', reader }),
        deliver,
        limits,
        ...(hub !== undefined && {
          openHub: () =>
            openHub({
              addresses: hubAddressList(hub),
              name,
              home: '/',
              credentialsPath: '/agent/credentials',
              platform,
              log,
              ...(trustNewHub !== undefined && { trustNewHub }),
              ...(takeover !== undefined && { takeover }),
            }),
        }),
      }),
    )
    const opened: TestAgent = { agent, process, session: 'none', ended: undefined }
    agent.on('session:state:changed', ({ to }) => (opened.session = to))
    agent.on('session:ended', ({ code }) => (opened.ended = code))
    return opened
  }

  async online(name: string, place: Place, options: OpenOptions): Promise<TestAgent> {
    const opened = await this.open(name, place, options)
    await this.run(() => opened.session === 'online')
    return opened
  }

  run(done: () => boolean): Promise<void> {
    return this.clock.run(done, { withinMs: 600_000 })
  }

  close(...agents: readonly TestAgent[]): Promise<unknown> {
    return this.#settle(Promise.all(agents.map(({ agent }) => agent.close())))
  }

  /** Sends, and waits for the hub's verdict. */
  async deliver({ agent }: TestAgent, to: string, ...ids: readonly string[]): Promise<void> {
    for (const id of ids) await this.#settle(agent.send({ id, to, content: id }))
    await this.run(() => pendingOf(agent) === 0)
  }

  #settle<T>(promise: Promise<T>): Promise<T> {
    return this.clock.settle(promise, { withinMs: 120_000 })
  }

  platform(process: SimulatedProcess, disk: SimulatedDisk): ReturnType<typeof createSimulatedPlatform> {
    const { clock, random } = this
    return createSimulatedPlatform({
      clock,
      http: this.#http,
      transport: this.#transport,
      disk,
      process,
      random,
    })
  }
}

export function pendingOf({ reader }: Agent): number {
  const sql = "SELECT count(*) AS count FROM outbox WHERE status = 'pending'"
  return reader.get<{ count: number }>(sql)?.count ?? 0
}

/** The texts that came to it, in order. */
export function inboxOf({ reader }: Agent): unknown[] {
  const sql = "SELECT payload FROM inbox WHERE kind = 'message' ORDER BY position"
  return reader.all<{ payload: string }>(sql).map(({ payload }) => JSON.parse(payload) as unknown)
}
