import { toError } from '../../../src/errors.ts'
import { createHub, type Hub } from '../../../src/hub/hub.ts'
import { hubParts } from '../../../src/hub/parts.ts'
import { SqliteStorage } from '../../../src/hub/storage/sqlite-storage.ts'
import type { HubStorage } from '../../../src/hub/storage.ts'
import type { Log } from '../../../src/platform/log.ts'
import type { Platform } from '../../../src/platform/platform.ts'
import type { HttpListener } from '../../../src/platform/http.ts'
import type { AcceptConnection, Transport } from '../../../src/platform/transport.ts'
import { assembleAgent } from '../../../src/runtime/assemble.ts'
import type { Agent } from '../../../src/runtime/agent.ts'
import { HubLink, type HubOptions } from '../../../src/runtime/hub/hub-link.ts'
import { createHubProbe } from '../../../src/runtime/hub/hub-probe.ts'
import { refuseMoved } from '../../../src/runtime/move/moved-marker.ts'
import { agentParts } from '../../../src/runtime/parts.ts'
import type { HubAddresses } from '../../../src/session/hub-addresses.ts'
import { openNoteIndex } from '../../../src/store/sqlite/note-index.ts'
import { SimulatedDatabase } from '../../../src/testing/database.ts'
import { isDeath } from '../../../src/testing/death.ts'
import { SimulatedDisk } from '../../../src/testing/disk.ts'
import { createSimulatedPlatform, SimulatedProcess, type SeededRandom } from '../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { outside } from '../../../src/testing/owner.ts'
import { credentialsPath, hubHosts, hubPort, openAgentCredentials } from './agent-credentials.ts'
import { onFullDisk, storageOnFullDisk } from './full-disk.ts'
import { tightAdmission } from './operator.ts'
import { openQuickStore } from './quick-store.ts'
import { createWorker } from './work.ts'

import type { Surroundings } from './surroundings.ts'

export type { Surroundings, WireSwaps } from './surroundings.ts'

const nodesSkewMsMax = 20_000

/** One machine: a disk and a database that outlive the processes on it, and a process that is started again when it dies. */
abstract class Machine {
  readonly host: string
  readonly disk: SimulatedDisk
  readonly database: SimulatedDatabase
  readonly around: Surroundings
  readonly #nodes: Machine[]
  process: SimulatedProcess | undefined
  starts = 0
  /** What happens to the disk before the next start. */
  whileDown: (() => void) | undefined
  /** It stays as it is: not started again. */
  over = false
  protected readonly random: SeededRandom
  /** By how much its wall clock is wrong. */
  readonly skewMs: number
  #aim: number | undefined

  /** With `shared`, disk and database are those of another machine. */
  constructor(host: string, around: Surroundings, shared?: Machine) {
    this.host = host
    this.around = around
    this.random = around.random.fork(`machine ${host}`)
    const { clock } = around
    this.disk = shared?.disk ?? new SimulatedDisk({ clock, random: this.random.fork('disk') })
    this.database = shared?.database ?? new SimulatedDatabase({ clock, random: this.random.fork('database') })
    this.#nodes = shared === undefined ? [] : shared.#nodes
    this.#nodes.push(this)
    // Nodes of one hub take each other's tokens by their clocks, so these have to agree somewhat.
    const skewMsMax = shared === undefined ? around.skewMsMax : Math.min(around.skewMsMax, nodesSkewMsMax)
    const ownMs = skewMsMax === 0 ? 0 : this.random.int(-skewMsMax, skewMsMax)
    this.skewMs = (shared?.skewMs ?? 0) + ownMs
    this.database.onBoundary = (_boundary, process) => {
      this.#nodes.find((node) => node.process === process)?.boundary('database')
    }
  }

  get alive(): boolean {
    return this.process?.alive === true
  }

  /** The process is to die at the n-th boundary from now on: a call of its database, or a frame that it sends. */
  aim(count: number | undefined): void {
    this.#aim = count
  }

  boundary(kind: string): void {
    if (this.#aim === undefined || !this.alive) return
    this.#aim -= 1
    if (this.#aim > 0) return
    this.#aim = undefined
    this.process?.dieHere(`killed at a boundary of ${kind}`)
  }

  boot(onDeath: () => void): void {
    this.starts += 1
    const { trace, network } = this.around
    trace.add(`boot ${this.host} ${this.starts}`)
    const process = new SimulatedProcess({ pid: 100 + this.starts, name: `${this.host} ${this.starts}` })
    network.place(process, this.host)
    this.process = process
    process.onDeath(() => {
      trace.add(`died ${process.name}: ${process.reason?.message ?? ''}`)
      onDeath()
    })
    void this.#run(process)
  }

  async #run(process: SimulatedProcess): Promise<void> {
    try {
      await this.start(process)
    } catch (thrown) {
      if (!process.alive || isDeath(thrown)) return
      this.around.trace.add(`${process.name} could not start: ${toError(thrown).message}`)
      process.kill('could not start')
    }
  }

  protected abstract start(process: SimulatedProcess): Promise<void>

  platform(process: SimulatedProcess): ReturnType<typeof createSimulatedPlatform> {
    const { clock, http, transport } = this.around
    const host = { clock, http, transport, disk: this.disk, process, random: this.random }
    const platform = createSimulatedPlatform(host)
    return { ...platform, clock: { ...platform.clock, now: () => platform.clock.now() + this.skewMs } }
  }

  log(process: SimulatedProcess): ReturnType<typeof createSimulatedLog> {
    const { trace, watch } = this.around
    return createSimulatedLog(trace, (event, fields) => watch.log(process.name, event, fields)).with({
      at: process.name,
    })
  }
}

export class HubMachine extends Machine {
  hub: Hub | undefined
  /** Upgrades are refused until then. */
  refusing = { untilMs: 0, retryAfterMs: 0 }
  storage: HubStorage | undefined

  /** A further node serves the same database. */
  constructor(around: Surroundings, first?: HubMachine) {
    super(first === undefined ? hubHosts[0] : hubHosts[1], around, first)
  }

  protected async start(process: SimulatedProcess): Promise<void> {
    this.hub = undefined
    const platform = this.platform(process)
    const { accessTtlS, swaps, watch, waitingMax, publishMax, isFull } = this.around
    const files = this.database.for(process, platform.disk)
    const storage = new SqliteStorage({ database: files.open(), clock: platform.clock, process })
    const hub = await createHub({
      platform: { ...platform, listener: this.#watched(platform.listener) },
      log: this.log(process),
      storage: storageOnFullDisk(swaps.storage?.(storage) ?? storage, isFull),
      keysFolder: '/hub/keys',
      addresses: [{ host: '0.0.0.0', port: hubPort }],
      parts: watch.hubParts({ ...hubParts, ...swaps.hub }),
      auth: { accessTtlS },
      streamLimits: { waitingMax },
      ...(this.around.tightAdmission && { admission: tightAdmission }),
      limits: { publishWindow: { messages: publishMax, bytes: publishMax * 2_000 } },
      requestsPerMinute: 100_000,
    })
    if (!process.alive) return
    this.hub = hub
    this.storage = storage
  }

  /** Sees what the hub sends, at the moment at which it does. */
  #watched(listener: HttpListener): HttpListener {
    return {
      listen: (address, options, handle) => {
        const { upgrade } = options
        if (upgrade === undefined) return listener.listen(address, options, handle)
        const { clock } = this.around
        const accept: AcceptConnection = (asked, connection) => {
          const { untilMs, retryAfterMs } = this.refusing
          if (clock.monotonicMs() < untilMs) {
            return { status: 503, headers: { 'retry-after-ms': String(retryAfterMs) } }
          }
          return upgrade.accept(asked, {
            get bufferedBytes() {
              return connection.bufferedBytes
            },
            send: (frame) => {
              this.around.watch.answered(this, frame)
              connection.send(frame)
            },
            ping: () => connection.ping(),
            close: (code, reason) => connection.close(code, reason),
            terminate: () => connection.terminate(),
          })
        }
        return listener.listen(address, { ...options, upgrade: { ...upgrade, accept } }, handle)
      },
    }
  }
}

export class AgentMachine extends Machine {
  readonly name: string
  agent: Agent | undefined
  /** How the session stands, as it said last. */
  session = 'none'
  /** Where it takes its hub to be. */
  addresses: HubAddresses | undefined
  /** What happens when one of its connections has got `ready`. */
  onReady: (() => void) | undefined
  #untilMs = 0
  /** Nobody starts it now: it is being moved, or was. */
  resting = false
  /** It was moved, and goes on somewhere else. */
  left = false
  #onFenced: (() => void) | undefined

  constructor(name: string, host: string, around: Surroundings) {
    super(host, around)
    this.name = name
    this.disk.beforeOperation = () => this.boundary('disk')
    this.disk.afterOperation = () => this.boundary('disk')
  }

  /** Takes over everything that another machine has: a copy of its folder. */
  copyOf(other: AgentMachine): void {
    const image = other.database.image()
    if (image !== undefined) this.database.putBack(image)
    if (!other.disk.files().includes(credentialsPath)) return
    const content = other.disk.content(credentialsPath)
    const disk = this.disk.for(outside)
    disk.makeFolder('/agent')
    disk.replaceFile(credentialsPath, content)
  }

  /** Its machine sleeps, or it is stopped. */
  get asleep(): boolean {
    return this.alive && this.around.clock.monotonicMs() < this.#untilMs
  }

  /** When it woke last. */
  get wokeMs(): number {
    return this.#untilMs
  }

  /** Nothing of it runs for so long; whether its monotonic clock goes on meanwhile depends on the machine. */
  sleep(ms: number, monotonicGoesOn: boolean): void {
    const { clock, trace } = this.around
    if (this.process === undefined) return
    trace.add(`${this.host} sleeps for ${ms} ms`)
    this.#untilMs = clock.monotonicMs() + ms
    clock.sleep(this.process, ms, { monotonicGoesOn })
  }

  get isMarked(): boolean {
    return this.disk.files().includes(markerPath)
  }

  /** Whether there is an agent on it, as whoever starts one sees it. */
  get hasAgent(): boolean {
    return this.disk.files().some((path) => path.startsWith('/agent/'))
  }

  onFenced(act: () => void): void {
    this.#onFenced = act
  }

  protected async start(process: SimulatedProcess): Promise<void> {
    this.agent = undefined
    this.session = 'none'
    this.#untilMs = 0
    const { swaps, watch, windowMax } = this.around
    const whole = this.platform(process)
    const platform = swaps.platform?.(whole) ?? whole
    const { disk } = platform
    const log = this.log(process)
    watch.queues.booted(this)
    disk.makeFolder('/agent')
    const watched = watch.transport(this, platform.transport)
    const transport = this.#killable(swaps.transport?.(watched) ?? watched)
    const agent = await assembleAgent({
      definition: createWorker(this.name),
      folder: '/agent',
      files: this.database.for(process, disk),
      platform,
      log,
      openSearch: (reader) => openNoteIndex({ path: ':memory:', reader }),
      deliver: () => Promise.reject(new Error('there is a hub')),
      openHub: () => this.#openHub(platform, log, transport),
      admit: () => {
        if (!disk.exists(markerPath)) return
        // Exit code 78: nobody starts it again.
        this.over = true
        refuseMoved(disk, markerPath, this.name)
      },
      parts: {
        ...agentParts,
        openStore: onFullDisk(
          this.around.journal ? agentParts.openStore : openQuickStore,
          this.around.isFull,
        ),
        ...swaps.agent,
        outbox: watch.queues.parts({ ...agentParts.outbox, ...swaps.agent?.outbox }),
        createSessionStore: (options) =>
          (swaps.agent?.createSessionStore ?? agentParts.createSessionStore)({ ...options, windowMax }),
      },
      store: { segmentBytes: 16_384, cutEverySegments: 4 },
    })
    if (!process.alive) return
    agent.on('session:state:changed', ({ to }) => (this.session = to))
    watch.queues.listen(this, agent)
    agent.on('session:ended', () => {
      this.over = true
      this.#onFenced?.()
      process.kill('fenced')
    })
    this.agent = agent
  }

  #openHub(platform: Platform, log: Log, transport: Transport): HubOptions {
    const { network } = platform
    const { retry, swaps } = this.around
    const { name } = this
    const opened = openAgentCredentials(platform, {
      name,
      log,
      openFile: swaps.openFile,
      count: this.around.addresses,
    })
    const { addresses, credentials, key, create, file } = opened
    this.addresses = addresses
    const hub: HubOptions = {
      key,
      addresses,
      transport,
      network,
      probe: createHubProbe({ http: platform.http, log, name, hubId: () => credentials.hubId }),
      createLink: (options) => new HubLink(options),
      credentials,
      limits: { ...this.random.pick([{}, { window: { messages: 4, bytes: 4_000 } }]), ...swaps.limits },
      retry,
    }
    return swaps.access?.(hub, create, file) ?? hub
  }

  /** Between committing and sending, and between sending and what comes after, a process may die too. */
  #killable(transport: Transport): Transport {
    return {
      connect: (url, options, sink) => {
        // Where the agents know one address, it leads to either hub.
        const { addresses, hubNodes } = this.around
        const host = this.random.pick(hubHosts.slice(0, hubNodes))
        const to = addresses > 1 ? url : url.replace(hubHosts[0], host)
        const connection = transport.connect(to, options, sink)
        return {
          get bufferedBytes() {
            return connection.bufferedBytes
          },
          send: (frame) => {
            this.boundary('before a frame')
            this.around.watch.sent(this, frame)
            connection.send(frame)
            this.boundary('after a frame')
          },
          ping: () => connection.ping(),
          close: (code, reason) => connection.close(code, reason),
          terminate: () => connection.terminate(),
        }
      },
    }
  }
}

export const markerPath = '/agent/moved.json'
