import type { SeededRandom } from '../../../src/testing/index.ts'
import { hubHosts } from './agent-credentials.ts'
import type { AgentMachine, Surroundings } from './machines.ts'
import type { Plan, WireWorld } from './wire-world.ts'
import { agentNames } from './work.ts'

/**
 * After the mishaps an agent is online again within this. A connection that is dead without a word shows by 30 s of silence
 * and closes for 2 s more; or an attempt that began before hangs for 10 s, once for a token and once for a socket, and the
 * next one of a suspended session comes after 30 s. Whatever it was, a login, a handshake and the hub's probe of a holder
 * that is gone (2 s, and once more after a refusal) take less than 20 s with the slowest network.
 */
const backInMs = 75_000

/** What befalls machines and connections, besides deaths: sleep, other networks, outages, refusals, drains. */
export class Unrest {
  readonly #around: Surroundings
  readonly #plan: Plan
  readonly #world: WireWorld
  readonly #count: (what: string) => void
  readonly #random: SeededRandom
  /** Agents that have been online since the mishaps. */
  readonly #wasBack = new Set<string>()
  #isCalm = false

  constructor(around: Surroundings, plan: Plan, world: WireWorld, count: (what: string) => void) {
    this.#around = around
    this.#plan = plan
    this.#world = world
    this.#count = count
    this.#random = around.random.fork('unrest')
  }

  plan(): void {
    const { sleeps, networkChanges, outages, flaps, refusals, drains, hubStops } = this.#plan.mishaps
    for (let count = 0; count < sleeps; count++) this.#sometime(() => this.#sleep())
    for (let count = 0; count < networkChanges; count++) this.#sometime(() => this.#changeNetwork())
    for (let count = 0; count < outages; count++) this.#sometime(() => this.#outage())
    for (let count = 0; count < flaps; count++) this.#sometime(() => this.#flap())
    for (let count = 0; count < refusals; count++) this.#sometime(() => this.#refuse())
    for (let count = 0; count < drains; count++) this.#sometime(() => this.#drain())
    for (let count = 0; count < hubStops; count++) this.#sometime(() => this.#stopHub())
    this.#look()
  }

  /** From now on the agents are to come back; those that have given up wait for somebody to ask. */
  becomeCalm(): void {
    const { clock } = this.#around
    this.#isCalm = true
    this.#plan.judge.connections.becomeCalm()
    for (const machine of this.#world.agents) machine.onReady = undefined
    for (const hub of this.#world.hubs) hub.refusing = { untilMs: 0, retryAfterMs: 0 }
    this.#ask()
    clock.schedule(backInMs, () => {
      const away = agentNames.filter((name) => !this.#wasBack.has(name))
      if (away.length > 0) {
        this.#plan.judge.violate(
          'back-in-time',
          `${away.join(', ')} not online ${backInMs} ms after the mishaps`,
        )
      }
    })
  }

  #ask(): void {
    const { attemptsMax } = this.#plan.mishaps.retry
    if (attemptsMax === undefined) return
    for (const machine of this.#world.agents) {
      if (!machine.alive || machine.asleep || machine.session !== 'suspended') continue
      // Nobody asks the copy of one that is there.
      if (this.#world.accepted(machine.name) !== undefined) continue
      this.#plan.judge.connections.asked(machine)
      machine.agent?.reconnect('somebody asks')
    }
    this.#around.clock.schedule(1_000, () => this.#ask())
  }

  #look(): void {
    const { connections } = this.#plan.judge
    connections.look()
    if (this.#isCalm) {
      for (const name of agentNames) if (this.#world.accepted(name) !== undefined) this.#wasBack.add(name)
    }
    this.#around.clock.schedule(1_000, () => this.#look())
  }

  #sometime(act: () => void): void {
    const { clock } = this.#around
    clock.schedule(this.#random.int(1_000, this.#plan.mishapsMs), () => {
      if (!this.#isCalm) act()
    })
  }

  #pick(): AgentMachine | undefined {
    const machine = this.#random.pick(this.#world.agents)
    return machine.alive && !machine.asleep && machine.agent !== undefined ? machine : undefined
  }

  #sleep(): void {
    const machine = this.#pick()
    if (machine === undefined) return
    const { clock, network } = this.#around
    const ms = this.#random.int(6_000, 30_000)
    // Not beyond the mishaps by more than a little.
    const endMs = Math.min(clock.monotonicMs() + ms, this.#plan.mishapsMs + 1_000)
    const sleepMs = endMs - clock.monotonicMs()
    if (sleepMs < 6_000) return
    const monotonicGoesOn = this.#random.chance(0.3)
    this.#count(monotonicGoesOn ? 'sleep:stopped' : 'sleep')
    machine.sleep(sleepMs, monotonicGoesOn)
    for (const hub of hubHosts) network.partition(machine.host, hub)
    const { process } = machine
    clock.schedule(sleepMs, () => {
      for (const hub of hubHosts) network.heal(machine.host, hub)
      if (machine.process === process) this.#plan.judge.connections.occasion(machine)
    })
  }

  #changeNetwork(): void {
    const machine = this.#pick()
    if (machine === undefined) return
    const { network } = this.#around
    this.#count('network:changed')
    for (const hub of hubHosts) network.cut(machine.host, hub, { halfOpenRate: 1 })
    network.changed(machine.host, 'another network')
    this.#plan.judge.connections.occasion(machine)
  }

  #outage(): void {
    const { clock, network } = this.#around
    this.#count('outage')
    const pairs = this.#world.agents.flatMap(({ host }) => hubHosts.map((hub) => [host, hub] as const))
    for (const [host, hub] of pairs) network.partition(host, hub)
    clock.schedule(this.#random.int(5_000, 30_000), () => {
      for (const [host, hub] of pairs) network.heal(host, hub)
    })
  }

  #flap(): void {
    const machine = this.#random.pick(this.#world.agents)
    const { clock, network } = this.#around
    this.#count('flap')
    machine.onReady = () => {
      clock.schedule(this.#random.int(50, 300), () => {
        for (const hub of hubHosts) network.cut(machine.host, hub)
      })
    }
    for (const hub of hubHosts) network.cut(machine.host, hub)
    clock.schedule(this.#random.int(10_000, 25_000), () => (machine.onReady = undefined))
  }

  #refuse(): void {
    const hub = this.#random.pick(this.#world.hubs)
    const { clock } = this.#around
    const untilMs = clock.monotonicMs() + this.#random.int(500, 10_000)
    hub.refusing = { untilMs, retryAfterMs: this.#random.int(500, 8_000) }
    // Somebody has to come.
    for (const machine of this.#world.agents) {
      if (this.#random.chance(0.5)) this.#around.network.cut(machine.host, hub.host)
    }
  }

  /** It tells everybody, and is started again when it has ended. */
  #stopHub(): void {
    const { hub, process } = this.#random.pick(this.#world.hubs)
    if (hub === undefined || process === undefined) return
    this.#count('hub:stopped')
    const ended = (): void => {
      if (process.alive) process.kill('stopped')
    }
    hub.close(this.#random.int(0, 6_000)).then(ended, ended)
  }

  #drain(): void {
    const machine = this.#pick()
    if (machine === undefined) return
    const { connections } = this.#plan.judge
    const [deadlineMs, afterMs] = [this.#random.int(500, 8_000), this.#random.int(0, 4_000)]
    if (this.#random.chance(0.3)) connections.drain(machine, deadlineMs, afterMs)
    else connections.drainWhenBusy(machine, deadlineMs, afterMs)
  }
}
