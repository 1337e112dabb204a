import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject } from '../../../src/json.ts'
import type { CommandLine } from '../../helpers/command-line.ts'
import { FaultProxy } from '../../helpers/fault-proxy.ts'
import type { Misbehaviour } from './agent.ts'
import type { Strikable } from './faults.ts'
import { Members } from './members.ts'
import { Traffic } from './traffic.ts'

/** What an agent is there for. */
export type Role =
  /** Works, and is struck. */
  | 'worker'
  /** Works, and is left alone: what it loses or leaks, it does by itself or for what befalls others. */
  | 'steady'
  /** Has nothing to do, and is left alone. */
  | 'idle'

export interface FleetOptions {
  /** Four at least. */
  readonly agents: number
  readonly settings: JsonObject
  /** Between two messages of a thread, ms. */
  readonly paceMs: number
  /** How long anything may take to be there, ms. */
  readonly patienceMs: number
  /** Starts every agent twice, so that its memory is that of any later start. Default false. */
  readonly warm?: boolean
}

const program = join(import.meta.dirname, 'agent.ts')

/** A daemon with a hub and agents, as a user starts them, and a proxy before each agent. */
export class Fleet implements Strikable {
  readonly members: Members
  readonly traffic: Traffic
  readonly roles: ReadonlyMap<string, Role>
  readonly #cli: CommandLine
  readonly #options: FleetOptions
  readonly #proxies = new Map<string, FaultProxy>()
  #misbehaved = 0

  constructor(cli: CommandLine, options: FleetOptions) {
    this.#cli = cli
    this.#options = options
    this.members = new Members(cli.home)
    this.roles = new Map(
      Array.from({ length: options.agents }, (_, index) => {
        if (index === 0) return ['Idle', 'idle'] as const
        if (index === 1) return ['Steady', 'steady'] as const
        return [`Worker${index - 1}`, 'worker'] as const
      }),
    )
    this.traffic = new Traffic({
      agents: this.named('worker', 'steady'),
      ingressOf: (name) => this.members.ingressOf(name),
      paceMs: options.paceMs,
    })
  }

  named(...roles: readonly Role[]): string[] {
    return [...this.roles].filter(([, role]) => roles.includes(role)).map(([name]) => name)
  }

  async start(): Promise<void> {
    mkdirSync(this.#cli.home, { recursive: true, mode: 0o700 })
    writeFileSync(join(this.#cli.home, 'config.json'), JSON.stringify(this.#options.settings), {
      mode: 0o600,
    })
    await this.command('daemon', 'start')
    await this.command('hub', 'start', '--port', '0')
    await this.until('the hub runs', () => this.members.hubPort() !== undefined)
    for (const [name, role] of this.roles) {
      const proxy = await FaultProxy.open({ target: { port: this.members.hubPort() ?? 1 } })
      this.#proxies.set(name, proxy)
      const hub = `http://127.0.0.1:${proxy.port}`
      const what = role === 'idle' ? ['--name', name] : [program, '--name', name]
      await this.command('start', ...what, '--hub', hub, '--port', '0')
    }
    await this.healed()
    // What loads code for the first time strips its types, and keeps 30 MB for what does that.
    if (this.#options.warm === true) await this.command('restart', '--all')
    await this.healed()
  }

  async stop(): Promise<void> {
    await this.command('daemon', 'stop')
  }

  async close(): Promise<void> {
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.close()))
  }

  signal(member: string, signal: NodeJS.Signals): void {
    const pid = this.members.pidOf(member)
    assert.ok(pid !== undefined, `${member} does not run`)
    process.kill(pid, signal)
  }

  async misbehave(agent: string, how: Misbehaviour): Promise<void> {
    this.#misbehaved += 1
    // A conversation of its own, so that it holds up no other.
    const key = `misbehave-${this.#misbehaved}`
    await this.traffic.tell(agent, key, { kind: 'misbehave', how }, key)
  }

  proxyOf(agent: string): FaultProxy {
    return this.#proxies.get(agent) as FaultProxy
  }

  async command(...args: readonly string[]): Promise<void> {
    const { code, stdout, stderr } = await this.#cli.run(args)
    assert.equal(code, 0, `perdura ${args.join(' ')}: ${stderr}${stdout}`)
  }

  /** By member: which process it is; undefined of one that has none, or does not answer. */
  async processes(): Promise<Map<string, string | undefined>> {
    const found = new Map<string, string | undefined>()
    for (const member of ['daemon', 'hub']) found.set(member, this.members.pidOf(member)?.toString())
    await Promise.all(
      [...this.roles.keys()].map(async (name) => {
        found.set(name, (await this.members.agent(name))?.instance)
      }),
    )
    return found
  }

  /** The daemon and the hub run, and every agent is online. */
  async healed(): Promise<void> {
    let away: string[] = []
    await this.until(
      'all are well',
      async () => {
        away = await this.#away()
        return away.length === 0
      },
      () => away.join(', '),
    )
  }

  async until(
    what: string,
    done: () => boolean | Promise<boolean>,
    describe: () => string = () => '',
  ): Promise<void> {
    const deadlineMs = performance.now() + this.#options.patienceMs
    while (!(await done())) {
      if (performance.now() > deadlineMs)
        assert.fail(`${what}: not within ${this.#options.patienceMs} ms; ${describe()}`)
      await sleep(50)
    }
  }

  /** No more inputs, and all that was begun is done. */
  async settle(): Promise<void> {
    await this.traffic.stop()
    let unrest = ''
    await this.until(
      'everything is at rest',
      () => {
        unrest = this.named('worker', 'steady')
          .map((name) => this.members.unrest(name))
          .filter((text) => text !== '')
          .join(', ')
        return unrest === ''
      },
      () => unrest,
    )
  }

  async #away(): Promise<string[]> {
    const missing = ['daemon', 'hub'].filter((member) => this.members.pidOf(member) === undefined)
    const views = await Promise.all(
      [...this.roles.keys()].map(async (name) => ({ name, view: await this.members.agent(name) })),
    )
    const offline = views.filter(({ view }) => view?.session !== 'online')
    return [...missing, ...offline.map(({ name, view }) => `${name} (${view?.session ?? 'no answer'})`)]
  }
}
