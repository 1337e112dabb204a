import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RelayLimits } from '../../../src/hub/relay/relay.ts'
import type { SessionLimits } from '../../../src/session/session-limits.ts'
import { Databases } from '../../chaos/hub/databases.ts'
import { judge } from '../../chaos/hub/judge.ts'
import { Member } from '../../chaos/hub/member.ts'
import type { FromAgent } from '../../chaos/hub/messages.ts'
import { Person } from '../../chaos/hub/person.ts'
import { agentNames, createPlan, type AgentName, type Plan, type Work } from '../../chaos/hub/plan.ts'
import { FaultProxy } from '../../helpers/fault-proxy.ts'

export interface NetworkOptions {
  readonly seed?: number
  readonly session?: Partial<SessionLimits>
  readonly hub?: Partial<RelayLimits>
  /** What is waited for at most, ms. Default 60,000. */
  readonly patienceMs?: number
}

/** Where hub and agents are. */
export interface Places {
  readonly proxies: ReadonlyMap<AgentName, FaultProxy>
  /** The hub's address, as an agent knows it. */
  readonly urlOf: (name: AgentName) => string
  readonly listen?: { readonly host: string; readonly port: number }
  readonly hubLauncher?: readonly string[]
  readonly agentLauncher?: readonly string[]
}

/** What a case found out. */
export interface NetworkReport {
  readonly messages: number
  /** From the moment when it was possible again to `online`, ms, of each agent each time. */
  readonly resumedMs: readonly number[]
  /** How often the agents went online, the first times included. */
  readonly onlines: number
  readonly lost: number
  readonly duplicated: number
  readonly reordered: number
  /** What was wrong, in words; more than one session of an agent is too. */
  readonly findings: readonly string[]
}

const planned = 20_000
/** Between two inputs of a person. */
const paceMs = 150
/** What may wait at an agent while its person goes on: what piles up only makes the end late. */
const waitingMax = 50

/**
 * A hub and three agents, each a real process, and between each agent and the hub a proxy that does what networks do.
 * Persons hand in inputs all the while, so that there are messages under way in both directions whatever happens.
 */
export class NetworkWorld {
  readonly proxies: ReadonlyMap<AgentName, FaultProxy>
  readonly hub: Member
  readonly agents: ReadonlyMap<AgentName, Member>
  readonly resumedMs: number[] = []
  onlines = 0
  /** Told of every change of an agent's session. */
  onSession: ((name: AgentName, state: string) => void) | undefined
  readonly #plan: Plan
  readonly #databases: Databases
  readonly #home: string
  readonly #persons: ReadonlyMap<AgentName, Person>
  readonly #onlineMs = new Map<AgentName, number>()
  readonly #calm = new AbortController()
  readonly #patienceMs: number
  #handingIn: Promise<unknown> = Promise.resolve()

  constructor(home: string, places: Places, options: NetworkOptions) {
    const { seed = 1, session = {}, hub = {}, patienceMs = 60_000 } = options
    const { listen = { host: '127.0.0.1', port: 0 }, hubLauncher = [], agentLauncher = [] } = places
    this.#home = home
    this.proxies = places.proxies
    this.#patienceMs = patienceMs
    this.#plan = createPlan({ messages: planned, kills: 0, seed, restores: [] })
    this.#databases = new Databases(home)
    mkdirSync(this.#databases.hubFolder)
    const environment = { NODE_COMPILE_CACHE: join(home, 'compiled') }
    const programs = join(import.meta.dirname, '..', '..', 'chaos', 'hub')
    const hubCommand = [this.#databases.hubFolder, String(listen.port), JSON.stringify(hub), listen.host]
    this.hub = new Member({
      name: 'hub',
      command: [join(programs, 'hub-main.ts'), ...hubCommand],
      launcher: hubLauncher,
      environment,
      onSaid: (message) => this.#hubSaid(message),
    })
    const agents = agentNames.map((name) => {
      const parameters = [name, home, places.urlOf(name), JSON.stringify(session)]
      const command = [join(programs, 'agent-main.ts'), ...parameters]
      const onSaid = (message: FromAgent): void => this.#agentSaid(name, message)
      return [name, new Member({ name, command, environment, onSaid, launcher: agentLauncher })] as const
    })
    this.agents = new Map(agents)
    this.#persons = new Map(agents.map(([name, agent]) => [name, this.#createPerson(name, agent)]))
  }

  proxy(name: AgentName): FaultProxy {
    return this.proxies.get(name) as FaultProxy
  }

  agent(name: AgentName): Member {
    return this.agents.get(name) as Member
  }

  /** Everybody is online, and messages are under way. */
  async begin(): Promise<void> {
    await this.#online(agentNames, 0)
    this.#handingIn = Promise.all([...this.#persons.values()].map((person) => person.handIn()))
    await this.traffic(10)
  }

  /** Resolves when so many more messages have reached the hub: what is done next hits it at work. */
  async traffic(count: number): Promise<void> {
    const wanted = this.#databases.progress('hub') + count
    await this.#until('messages reach the hub', () => this.#databases.progress('hub') >= wanted)
  }

  /** These agents go offline, each by what it notices itself. */
  async noticed(...names: readonly AgentName[]): Promise<void> {
    await this.#until(`${names.join(', ')} notice`, () =>
      names.every((name) => this.agent(name).session !== 'online'),
    )
  }

  /** These agents have gone online again since; how long it took is part of the report. */
  async resumed(sinceMs: number, ...names: readonly AgentName[]): Promise<void> {
    await this.#online(names, sinceMs)
    for (const name of names) this.resumedMs.push((this.#onlineMs.get(name) ?? 0) - sinceMs)
  }

  /** Everybody is online, whether they noticed anything or not. */
  async allOnline(): Promise<void> {
    await this.#online(agentNames, 0)
  }

  /** No more inputs, and everything that was begun is done: then all processes stop, and whoever is none of them judges. */
  async settle(): Promise<NetworkReport> {
    this.#calm.abort()
    await this.#handingIn
    const unrest = (): string => {
      const away = agentNames.filter((name) => this.agent(name).session !== 'online')
      return [...away.map((name) => `${name} is ${this.agent(name).session}`), this.#databases.unrest()]
        .filter((text) => text !== '')
        .join(', ')
    }
    await this.#until('everything is at rest', () => unrest() === '', unrest)
    for (const name of agentNames) await this.agent(name).stop()
    await this.hub.stop()
    const work = this.#begun()
    const { findings, lost, duplicated, reordered } = judge({
      work,
      handled: new Map(agentNames.map((name) => [name, this.#databases.handled(name)])),
      refused: this.#databases.refused(),
      keptForNobody: this.#databases.keptForNobody(),
      putBack: new Set(),
    })
    return {
      messages: work.messages.size,
      resumedMs: this.resumedMs,
      onlines: this.onlines,
      lost,
      duplicated,
      reordered,
      findings: [
        ...this.#complaints(),
        ...this.#databases.faultsOfHub(),
        ...findings,
        ...agentNames.flatMap((name) => this.#faultsOfSession(name)),
      ],
    }
  }

  async end(): Promise<void> {
    this.#calm.abort()
    await Promise.all([this.hub, ...this.agents.values()].map((member) => member.end()))
    await Promise.all([...this.proxies.values()].map((proxy) => proxy.close()))
  }

  #complaints(): string[] {
    return [this.hub, ...this.agents.values()].flatMap((member) => member.complaints)
  }

  /** The agent's own log and the hub's agree that there was one session, and nothing missing in between. */
  #faultsOfSession(name: AgentName): string[] {
    const own = this.#linesOf(
      join(this.#databases.agentFolder(name), 'agent.log'),
      'session:state:changed',
    ).filter(({ to }) => to === 'online')
    const seen = this.#linesOf(join(this.#home, 'hub.log'), 'hub:session:resumed').filter(
      ({ agent }) => agent === name,
    )
    const sessions = new Set([...own, ...seen].map(({ session }) => session))
    // The first `ready` may have been lost, and then there is a second first time.
    const reasons = new Set(seen.slice(1).map(({ reason }) => reason))
    return [
      ...(sessions.size === 1 ? [] : [`${name} had the sessions ${[...sessions].join(', ')}`]),
      ...(own.length > 0 && seen.length >= own.length ? [] : [`${name} was online without the hub`]),
      ...[...reasons]
        .filter((reason) => reason !== 'resumed' && reason !== 'new')
        .map((reason) => `${name} came back as ${String(reason)}`),
    ]
  }

  #linesOf(path: string, event: string): Record<string, unknown>[] {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line.includes(`"${event}"`))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** What was handed in, and what it must lead to. */
  #begun(): Work {
    const inputs = agentNames.flatMap((name) =>
      this.#plan.inputs
        .filter(({ agent }) => agent === name)
        .slice(0, this.#persons.get(name)?.handedIn ?? 0),
    )
    const labels = new Set(inputs.map(({ task }) => task.label))
    const messages = new Map(
      [...this.#plan.messages].filter(([label]) => labels.has(label.split('/').slice(0, 2).join('/'))),
    )
    return { inputs, messages }
  }

  #createPerson(name: AgentName, agent: Member): Person {
    return new Person({
      agent,
      inputs: this.#plan.inputs.filter((input) => input.agent === name),
      permit: async () => {
        do await sleep(paceMs)
        while (!this.#calm.signal.aborted && this.#databases.waiting(name) > waitingMax)
      },
      signal: this.#calm.signal,
    })
  }

  #hubSaid(message: FromAgent): void {
    if (message.type !== 'ready' || message.port === undefined) return
    for (const proxy of this.proxies.values()) proxy.target = { port: message.port }
  }

  #agentSaid(name: AgentName, message: FromAgent): void {
    if (message.type !== 'session') return
    if (message.state === 'online') {
      this.onlines += 1
      this.#onlineMs.set(name, performance.now())
    }
    this.onSession?.(name, message.state)
  }

  async #online(names: readonly AgentName[], sinceMs: number): Promise<void> {
    await this.#until(`${names.join(', ')} are online`, () =>
      names.every(
        (name) => this.agent(name).session === 'online' && (this.#onlineMs.get(name) ?? 0) > sinceMs,
      ),
    )
  }

  async #until(what: string, done: () => boolean, describe: () => string = () => ''): Promise<void> {
    const deadlineMs = performance.now() + this.#patienceMs
    while (!done()) {
      assert.deepEqual(this.#complaints(), [])
      if (performance.now() > deadlineMs) {
        const states = agentNames.map((name) => `${name}: ${this.agent(name).session}`).join(', ')
        assert.fail(`${what}: not within ${this.#patienceMs} ms (${states}) ${describe()}`)
      }
      await sleep(20)
    }
  }
}

/** Runs `use` while messages are under way, with a proxy before each agent; everything is gone afterwards. */
export async function throughProxies(
  options: NetworkOptions,
  use: (world: NetworkWorld) => Promise<void>,
): Promise<NetworkReport> {
  const proxies = new Map<AgentName, FaultProxy>()
  for (const name of agentNames) {
    // Where the hub is, it says itself when it is there.
    proxies.set(name, await FaultProxy.open({ target: { port: 1 }, seed: options.seed ?? 1 }))
  }
  const urlOf = (name: AgentName): string => `http://127.0.0.1:${proxies.get(name)?.port}`
  return inNetwork({ proxies, urlOf }, options, use)
}

export async function inNetwork(
  places: Places,
  options: NetworkOptions,
  use: (world: NetworkWorld) => Promise<void>,
): Promise<NetworkReport> {
  const home = mkdtempSync(join(tmpdir(), 'perdura-network-'))
  try {
    const world = new NetworkWorld(home, places, options)
    try {
      await world.begin()
      await use(world)
      return await world.settle()
    } finally {
      await world.end()
    }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** Nothing is lost, doubled or out of order, and everybody has had one session all the while. */
export function assertKept({ messages, lost, duplicated, reordered, findings }: NetworkReport): void {
  assert.deepEqual(findings, [])
  assert.deepEqual({ lost, duplicated, reordered }, { lost: 0, duplicated: 0, reordered: 0 })
  assert.ok(messages > 0)
}

export function describeReport({ messages, resumedMs }: NetworkReport): string {
  const times = resumedMs.map((ms) => Math.round(ms)).toSorted((a, b) => a - b)
  return `${messages} messages; time to resume, ms: ${times.join(', ')}`
}
