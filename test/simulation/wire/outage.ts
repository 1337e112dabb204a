import type { SeededRandom } from '../../../src/testing/index.ts'
import type { AgentMachine, HubMachine } from './machines.ts'
import type { Mishaps } from './mishaps.ts'
import type { Surroundings } from './surroundings.ts'
import { agentNames } from './work.ts'

/** So long into the quiet period it lasts: time-outs and delays are all over by then. */
const calmMs = 120_000

export interface OutageWorld {
  readonly hubs: readonly HubMachine[]
  readonly agents: readonly AgentMachine[]
  accepted(name: string): AgentMachine | undefined
}

/**
 * One of two hubs is gone for long: its process does not come up again, or nothing gets through to it, from some time before
 * the quiet period until well within it. Agents that know both addresses must be online all the same, and go back afterwards.
 */
export class Outage {
  readonly #around: Surroundings
  readonly #kind: Mishaps['outage']
  readonly #world: OutageWorld
  readonly #random: SeededRandom
  #hub: HubMachine | undefined
  isOn = false
  /** Agents that were not online at its end. */
  offline: readonly string[] = []

  constructor(around: Surroundings, kind: Mishaps['outage'], world: OutageWorld) {
    this.#around = around
    this.#kind = kind
    this.#world = world
    this.#random = around.random.fork('outage')
  }

  plan(
    mishapsMs: number,
    options: { readonly begun: () => void; readonly boot: (hub: HubMachine) => void },
  ): void {
    if (this.#kind === 'none') return
    const { clock } = this.#around
    // Mostly the one that the agents prefer.
    const hub = this.#world.hubs.at(this.#random.chance(0.75) ? 0 : -1) as HubMachine
    this.#hub = hub
    clock.schedule(this.#random.int(0, mishapsMs), () => {
      options.begun()
      this.isOn = true
      if (this.#kind === 'dead') hub.process?.kill('gone for long')
      this.#keepOff(hub)
    })
    clock.schedule(mishapsMs + calmMs, () => {
      this.offline = agentNames.filter((name) => this.#world.accepted(name) === undefined)
      this.isOn = false
      if (this.#kind === 'cut')
        for (const { host } of this.#world.agents) this.#around.network.heal(host, hub.host)
      options.boot(hub)
    })
  }

  /** Whether the hub is not to be started. */
  keepsDown(hub: HubMachine): boolean {
    return this.isOn && this.#kind === 'dead' && hub === this.#hub
  }

  /** What is not as it was before; empty where all is. */
  unrest(name: string): string {
    if (this.isOn) return 'a hub is gone'
    const addresses = this.#world.accepted(name)?.addresses
    if (addresses === undefined || addresses.current.key === addresses.list[0]?.key) return ''
    return `${name} is not back at its preferred address`
  }

  /** Whatever else is mended meanwhile, this is not. */
  #keepOff(hub: HubMachine): void {
    if (!this.isOn || this.#kind !== 'cut') return
    for (const { host } of this.#world.agents) this.#around.network.partition(host, hub.host)
    this.#around.clock.schedule(100, () => this.#keepOff(hub))
  }
}
