import type { SeededRandom } from '../../../src/testing/index.ts'
import { hubHosts } from './agent-credentials.ts'
import { AgentMachine, HubMachine, type Surroundings } from './machines.ts'
import type { Judge } from './judge.ts'
import type { Mishaps } from './mishaps.ts'
import { Operators } from './operators.ts'
import { Unrest } from './unrest.ts'
import { revokeLogins } from './operator.ts'
import { Owner } from './owner.ts'
import { Moves } from './moves.ts'
import { Outage } from './outage.ts'
import { agentNames, type Input, type Work } from './work.ts'

export interface Plan {
  readonly work: Work
  readonly mishaps: Mishaps
  readonly mishapsMs: number
  readonly judge: Judge
}

/** The hub, the agents, those who give them work, and whatever goes wrong. */
export class WireWorld {
  /** Nodes that serve one database; the first is where it is put back. */
  readonly hubs: HubMachine[]
  readonly agents: AgentMachine[]
  readonly reached = new Map<string, number>()
  readonly #around: Surroundings
  readonly #plan: Plan
  readonly #random: SeededRandom
  readonly #owner: Owner
  readonly #moves: Moves
  #calm = false
  #over = false
  #handingIn = 0
  readonly outage: Outage
  #atRest = false
  readonly #unrest: Unrest
  readonly #operators: Operators

  constructor(around: Surroundings, plan: Plan) {
    this.#around = around
    this.#plan = plan
    this.#random = around.random.fork('world')
    const first = new HubMachine(around)
    this.hubs = around.hubNodes === 2 ? [first, new HubMachine(around, first)] : [first]
    this.outage = new Outage(around, plan.mishaps.outage, this)
    this.agents = agentNames.map((name) => new AgentMachine(name, name, around))
    this.#unrest = new Unrest(around, plan, this, (what) => this.#count(what))
    this.#operators = new Operators(around, plan, this, (what) => this.#count(what))
    this.#owner = new Owner({
      clock: around.clock,
      random: around.random.fork('owner'),
      mishaps: plan.mishaps,
      watch: around.watch.queues,
      machineOf: (name) => this.#reachable(name),
      count: (what) => this.#count(what),
    })
    this.#moves = new Moves({
      around,
      random: around.random.fork('moves'),
      boundaryMax: plan.mishaps.boundaryMax,
      isCalm: () => this.#calm,
      count: (what) => this.#count(what),
      boot: (machine) => this.#bootAgent(machine),
      sleep: (ms) => this.#sleep(ms),
      moved: (left, to) => around.watch.moved(left, to),
    })
  }

  start(): void {
    const { mishaps, work } = this.#plan
    const { network } = this.#around
    network.delayMs = { min: 1, max: mishaps.delayMsMax }
    for (const { host } of this.agents) {
      for (const hub of hubHosts) {
        network.link(host, hub).lossRate = mishaps.lossRate
        network.link(hub, host).lossRate = mishaps.lossRate
      }
    }
    for (const hub of this.hubs) this.#bootHub(hub)
    for (const machine of this.agents) this.#bootAgent(machine)
    this.#planDeaths()
    this.#planNetwork()
    this.#planRestores()
    for (let count = 0; count < mishaps.clones; count++) this.#planClone()
    this.outage.plan(this.#plan.mishapsMs, {
      begun: () => this.#count(`outage:${mishaps.outage}`),
      boot: (hub) => this.#bootHub(hub),
    })
    this.#unrest.plan()
    this.#operators.plan()
    const { clock, watch } = this.#around
    this.#owner.start(this.#plan.mishapsMs)
    this.#planMoves()
    for (let count = 0; count < mishaps.clockJumps; count++) {
      this.#sometime(() => {
        const ms = this.#random.int(-mishaps.clockJumpMsMax, mishaps.clockJumpMsMax)
        clock.jump(ms)
        watch.queues.jumped(ms)
      })
    }
    this.#planOperator()
    clock.schedule(this.#plan.mishapsMs, () => this.#becomeCalm())
    const threads = new Set(work.inputs.map(({ thread }) => thread))
    for (const thread of threads) void this.#handIn(work.inputs.filter((input) => input.thread === thread))
  }

  end(): void {
    this.#over = true
    for (const machine of [...this.hubs, ...this.agents]) machine.process?.kill('the end')
  }

  /** Whether a write finds no room. */
  isFull(random: SeededRandom): boolean {
    if (this.#calm || !random.chance(this.#plan.mishaps.fullRate)) return false
    this.#count('disk:full')
    return true
  }

  get hub(): HubMachine {
    return this.hubs[0] as HubMachine
  }

  /** The machines that act for an agent: one, unless there is a copy. */
  machinesOf(name: string): AgentMachine[] {
    return this.agents.filter((machine) => machine.name === name)
  }

  /** The one that the hub accepts. */
  accepted(name: string): AgentMachine | undefined {
    return this.machinesOf(name).find((machine) => machine.alive && machine.session === 'online')
  }

  /** As it was found when somebody looked last, twice a second. */
  get isAtRest(): boolean {
    return this.#atRest
  }

  /** What is not at rest yet. */
  unrest(): string {
    return agentNames
      .flatMap((name) => {
        const agent = this.accepted(name)?.agent
        if (agent === undefined) return [`${name} is not online`]
        const unrest = this.outage.unrest(name)
        if (unrest !== '') return [unrest]
        // Another hub on the same database tells whom it has lost its place to with its next heartbeat.
        const online = this.machinesOf(name).filter(({ alive, session }) => alive && session === 'online')
        if (online.length > 1) return [`${name} is online ${online.length} times`]
        const count = (from: string): number =>
          agent.reader.get<{ count: number }>(`SELECT count(*) AS count FROM ${from}`)?.count ?? 0
        const inbox = count("inbox WHERE status IN ('pending', 'running', 'parked')")
        const outbox = count("outbox WHERE status = 'pending'")
        return inbox + outbox === 0 ? [] : [`${name}: ${inbox} in, ${outbox} out`]
      })
      .concat(this.#waiting(), this.#owner.unrest())
      .join(', ')
  }

  /** What the hub has not been told to be on the agents' disks. */
  #waiting(): string[] {
    const rows = this.hub.database.look<{ name: string; count: number }>(
      `SELECT name, top - acked AS count FROM streams JOIN profiles ON id = ai_id
       WHERE acked < top AND credential_kind <> 'expected'`,
    )
    return rows.map(({ name, count }) => `${count} wait for ${name}`)
  }

  /**
   * Hands inputs in, in order, each until it is acknowledged. Whoever was put back to an earlier time has lost what it
   * acknowledged since, so with each one all those before it are handed in again, to one and the same process.
   */
  async #handIn(inputs: readonly Input[]): Promise<void> {
    this.#handingIn += 1
    while (!this.#allKnown()) await this.#sleep(200)
    for (let count = 1; count <= inputs.length; count++) {
      await this.#sleep(this.#random.int(0, 4_000))
      await this.#handInAll(inputs.slice(0, count))
    }
    while (!this.#calm) await this.#sleep(500)
    // Once more when nobody is put back any more, and until the one has them whom the hub accepts.
    await this.#sleep(60_000)
    await this.#handInAll(inputs)
    this.#handingIn -= 1
  }

  async #handInAll(inputs: readonly Input[]): Promise<void> {
    while (!this.#over) {
      const machine = this.#reachable(inputs[0]?.agent ?? '')
      const process = machine?.process
      const ask = async (): Promise<boolean> => {
        for (const input of inputs) if (!(await this.#handInOne(machine, input))) return false
        return true
      }
      if (machine !== undefined && process?.alive === true && (await ask()) && machine.process === process)
        return
      await this.#sleep(300)
    }
  }

  /** Whoever looks in on an agent reaches the one that its hub has, where there are two. */
  #reachable(name: string): AgentMachine | undefined {
    const accepted = this.accepted(name)
    if (accepted?.asleep === false) return accepted
    return this.machinesOf(name).find(({ alive, over, asleep }) => alive && !over && !asleep)
  }

  async #handInOne(machine: AgentMachine | undefined, { id, task, thread }: Input): Promise<boolean> {
    const { agent, process } = machine ?? {}
    if (agent === undefined || process?.alive !== true || machine?.asleep === true) return false
    const died = new Promise<boolean>((resolve) => process.onDeath(() => resolve(false)))
    const payload = JSON.parse(JSON.stringify(task)) as never
    const accepted = agent.ingest({ id, payload, conversation: thread }).then(
      () => true,
      () => false,
    )
    return (await Promise.race([accepted, died])) && process.alive
  }

  /** Whoever has never been at the hub cannot be sent to, and a refusal for that is final. */
  #allKnown(): boolean {
    const [row] = this.hub.database.look<{ tables: number }>(
      "SELECT count(*) AS tables FROM sqlite_schema WHERE name = 'profiles'",
    )
    if ((row?.tables ?? 0) === 0) return false
    const known = this.hub.database.look("SELECT 1 FROM profiles WHERE credential_kind = 'key'")
    return known.length === agentNames.length
  }

  #bootHub(hub: HubMachine): void {
    if (this.#over || hub.alive || this.outage.keepsDown(hub)) return
    hub.boot(() => this.#reboot(hub, () => this.#bootHub(hub)))
  }

  #bootAgent(machine: AgentMachine): void {
    // It may have been started by hand meanwhile.
    if (this.#over || machine.over || machine.resting || machine.alive) return
    machine.boot(() => this.#reboot(machine, () => this.#bootAgent(machine)))
  }

  #reboot(machine: HubMachine | AgentMachine, boot: () => void): void {
    machine.aim(undefined)
    const { clock } = this.#around
    const { downtimeMsMax } = this.#plan.mishaps
    clock.schedule(1 + this.#random.int(1, this.#calm ? 10 : downtimeMsMax), () => {
      machine.whileDown?.()
      machine.whileDown = undefined
      boot()
    })
  }

  #becomeCalm(): void {
    this.#calm = true
    const { network, trace } = this.#around
    trace.add('— calm —')
    network.heal()
    for (const { host } of this.agents) {
      for (const hub of hubHosts) {
        network.link(host, hub).lossRate = 0
        network.link(hub, host).lossRate = 0
      }
    }
    for (const machine of [...this.hubs, ...this.agents]) machine.aim(undefined)
    this.#unrest.becomeCalm()
    this.#owner.becomeCalm()
    this.#look()
  }

  #look(): void {
    this.#atRest = this.#handingIn === 0 && this.#moves.underWay === 0 && this.unrest() === ''
    if (!this.#atRest) this.#around.clock.schedule(500, () => this.#look())
  }

  /** Calls `act` at some time before the quiet period. */
  #sometime(act: () => void, afterMs = 0): void {
    const { clock } = this.#around
    clock.schedule(this.#random.int(afterMs, this.#plan.mishapsMs), () => {
      if (!this.#calm) act()
    })
  }

  #planDeaths(): void {
    const { hubDeaths, agentDeaths } = this.#plan.mishaps
    for (let count = 0; count < hubDeaths; count++) this.#planDeath(this.#random.pick(this.hubs))
    for (const machine of this.agents) {
      for (let count = 0; count < agentDeaths; count++) this.#planDeath(machine)
    }
  }

  #planDeath(machine: HubMachine | AgentMachine): void {
    this.#sometime(() => {
      this.#count(`death:${machine instanceof HubMachine ? 'hub' : 'agent'}`)
      if (this.#random.chance(0.3)) machine.process?.kill('killed')
      else machine.aim(this.#random.int(1, this.#plan.mishaps.boundaryMax))
    })
  }

  #planNetwork(): void {
    const { partitions, cuts, halfOpenRate } = this.#plan.mishaps
    const { network, clock } = this.#around
    for (let count = 0; count < partitions; count++) {
      this.#sometime(() => {
        const { host } = this.#random.pick(this.agents)
        const { host: hub } = this.#random.pick(this.hubs)
        const direction = this.#random.pick(['both', 'there', 'back'] as const)
        if (direction === 'both') network.partition(host, hub)
        else if (direction === 'there') network.link(host, hub).down = true
        else network.link(hub, host).down = true
        clock.schedule(this.#random.int(100, 45_000), () => network.heal(host, hub))
      })
    }
    for (let count = 0; count < cuts; count++) {
      this.#sometime(() => {
        network.cut(this.#random.pick(this.agents).host, this.#random.pick(this.hubs).host, { halfOpenRate })
      })
    }
  }

  #planRestores(): void {
    const { hubRestores, agentRestores } = this.#plan.mishaps
    // Nobody puts a database back that another hub has open.
    const restores = this.hubs.length === 1 ? hubRestores : 0
    for (let count = 0; count < restores; count++) this.#planRestore(this.hub, 'hub')
    for (let count = 0; count < agentRestores; count++) {
      this.#planRestore(this.#random.pick(this.agents), 'agent')
    }
  }

  /** A backup now, and some time later that is what the machine finds when it is started again. */
  #planRestore(machine: HubMachine | AgentMachine, what: string): void {
    this.#sometime(() => {
      const image = machine.database.image()
      if (image === undefined || !this.#allKnown()) return
      this.#around.clock.schedule(this.#random.int(100, 15_000), () => {
        if (this.#calm || machine.over) return
        this.#count(`restore:${what}`)
        this.#around.trace.add(`${machine.host} is put back`)
        machine.whileDown = () => machine.database.putBack(image)
        if (machine.alive) machine.process?.kill('to be put back')
      })
    })
  }

  /** What is done to the hub on purpose. */
  #planOperator(): void {
    const { revocations } = this.#plan.mishaps
    for (let count = 0; count < revocations; count++) this.#sometime(() => void this.#revoke())
  }

  async #revoke(): Promise<void> {
    const { watch, trace } = this.#around
    const name = this.#random.pick(agentNames)
    // Where it dies meanwhile, or its disk is full, nobody knows what came of it.
    const sids = await revokeLogins(this.#random.pick(this.hubs), name).catch(() => [])
    if (sids.length === 0) return
    this.#count('revocation')
    trace.add(`the logins of ${name} are revoked`)
    watch.revoked(sids)
  }

  #planClone(): void {
    this.#sometime(() => {
      const original = this.#random.pick(this.agents)
      const copy = new AgentMachine(original.name, `${original.host}-copy`, this.#around)
      copy.copyOf(original)
      this.agents.push(copy)
      this.#count('clone')
      this.#around.trace.add(`${original.name} lives twice`)
      this.#bootAgent(copy)
    }, 5_000)
  }

  #planMoves(): void {
    const { handovers, moves } = this.#plan.mishaps
    for (let count = 0; count < handovers; count++) {
      this.#sometime(() => this.#moves.handOver(this.#random.pick(this.agents)))
    }
    for (let count = 0; count < moves; count++) {
      this.#sometime(() => {
        void this.#moves.move(this.#random.pick(this.agents), (machine) => {
          this.agents.push(machine)
          for (let death = 0; death < 2; death++) this.#planDeath(machine)
        })
      }, 5_000)
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#around.clock.schedule(ms, resolve))
  }

  #count(what: string): void {
    this.reached.set(what, (this.reached.get(what) ?? 0) + 1)
  }
}
