import { execFileSync } from 'node:child_process'
import { isAlive } from './command-line.ts'

/** Two network namespaces of their own, joined by one cable. What is in them has no other way out. */
export class NamespacePair {
  readonly hub: string
  readonly agent: string
  readonly hubAddress = '10.200.1.1'
  readonly #link = { hub: 'hub0', agent: 'agent0' } as const
  #agentAddress = '10.200.1.2'

  constructor() {
    removeLeftovers()
    made += 1
    // The process is part of the name, so that whoever comes later knows what nobody uses any more.
    const name = `${prefix}${process.pid}-${made}`
    this.hub = `${name}-hub`
    this.agent = `${name}-agent`
    try {
      for (const namespace of [this.hub, this.agent]) {
        ip('netns', 'add', namespace)
        ip('-n', namespace, 'link', 'set', 'lo', 'up')
      }
      const { hub, agent } = this.#link
      ip('-n', this.hub, 'link', 'add', hub, 'type', 'veth', 'peer', 'name', agent, 'netns', this.agent)
      ip('-n', this.hub, 'address', 'add', `${this.hubAddress}/24`, 'dev', hub)
      ip('-n', this.agent, 'address', 'add', `${this.#agentAddress}/24`, 'dev', agent)
      ip('-n', this.hub, 'link', 'set', hub, 'up')
      ip('-n', this.agent, 'link', 'set', agent, 'up')
    } catch (error) {
      this.remove()
      throw error
    }
  }

  /** What starts a program in one of them. */
  launcher(where: 'hub' | 'agent'): readonly string[] {
    return ['ip', 'netns', 'exec', this[where]]
  }

  /** The agents' machine is unplugged, or plugged in again. */
  link(state: 'up' | 'down'): void {
    ip('-n', this.agent, 'link', 'set', this.#link.agent, state)
  }

  /** The agents' machine has another address from now on, and the old one is gone. */
  changeAddress(address: string): void {
    ip('-n', this.agent, 'address', 'delete', `${this.#agentAddress}/24`, 'dev', this.#link.agent)
    ip('-n', this.agent, 'address', 'add', `${address}/24`, 'dev', this.#link.agent)
    this.#agentAddress = address
  }

  /** Somewhere on the way to the hub everything is swallowed. */
  blackHole(there: boolean): void {
    // On the hub's side, so that nothing on the agents' machine tells them.
    ip('-n', this.hub, 'route', there ? 'add' : 'delete', 'blackhole', `${this.#agentAddress}/32`)
  }

  /**
   * Packets are lost on the way to the hub: some by chance where the kernel can do that, else those for which a line that
   * is too narrow has no room. Returns which.
   */
  losePackets(): 'by chance' | 'for want of room' {
    try {
      tc(this.agent, 'add', 'dev', this.#link.agent, 'root', 'netem', 'loss', '10%', 'delay', '5ms')
      return 'by chance'
    } catch {
      const narrow = ['rate', '200kbit', 'burst', '3000', 'limit', '6000']
      tc(this.agent, 'add', 'dev', this.#link.agent, 'root', 'tbf', ...narrow)
      return 'for want of room'
    }
  }

  /** How many have been lost so. */
  lostPackets(): number {
    const text = run('tc', '-n', this.agent, '-s', 'qdisc', 'show', 'dev', this.#link.agent)
    return Number(/dropped (\d+)/.exec(text)?.[1] ?? 0)
  }

  keepPackets(): void {
    tc(this.agent, 'del', 'dev', this.#link.agent, 'root')
  }

  remove(): void {
    for (const namespace of [this.hub, this.agent]) {
      try {
        ip('netns', 'delete', namespace)
      } catch {
        // It was never made, or is gone already.
      }
    }
  }
}

const prefix = 'perdura-test-'
let made = 0

/** Why there can be no namespaces here; undefined where there can. */
export function whyNoNamespaces(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are of Linux'
  if (process.getuid?.() !== 0) return 'only root may make network namespaces'
  try {
    new NamespacePair().remove()
    return undefined
  } catch (error) {
    return `no network namespace can be made here: ${String(error).split('\n')[0]}`
  }
}

/** Undefined where packets can be lost on purpose. */
export function whyNoLoss(): string | undefined {
  try {
    run('tc', '-V')
    return undefined
  } catch (error) {
    return `there is no tc here: ${String(error).split('\n')[0]}`
  }
}

/** Those of runs that were killed: of processes that are no more. */
function removeLeftovers(): void {
  for (const line of run('ip', 'netns', 'list').split('\n')) {
    const [name = ''] = line.split(' ')
    const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1]
    if (pid !== undefined && !isAlive(Number(pid))) ip('netns', 'delete', name)
  }
}

function ip(...parameters: readonly string[]): void {
  run('ip', ...parameters)
}

function tc(namespace: string, ...parameters: readonly string[]): void {
  run('tc', '-n', namespace, 'qdisc', ...parameters)
}

function run(program: string, ...parameters: readonly string[]): string {
  return execFileSync(program, parameters, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    // Where such programs are, and which is not in everybody's path.
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  })
}
