import type { StandardSchemaV1 } from '@standard-schema/spec'
import { toError } from '../../src/errors.ts'
import { defineAgent, type AgentDefinition } from '../../src/index.ts'
import { createSeededRandom, type SeededRandom } from '../../src/testing/index.ts'
import { V1AgentMachine, v1Host, V1World, type V1Swaps } from './v1-server-world.ts'

export interface V1SeedOptions {
  readonly swaps?: V1Swaps
  readonly onLine?: (line: string) => void
}

export interface V1SeedResult {
  readonly violations: readonly string[]
  readonly digest: string
  readonly lastLines: readonly string[]
  readonly reached: ReadonlyMap<string, number>
}

const mishapsMs = 120_000
const convergesWithinMs = 2 * 3_600_000

interface State {
  handled: string[]
}

const schema: StandardSchemaV1<unknown, State> = {
  '~standard': { version: 1, vendor: 'simulation', validate: (value) => ({ value: value as State }) },
}
const state = { version: 1, initial: { handled: [] } as State, schema }

/** Tells `cy` that it heard, and hands everything on to `bo`; now and then to nobody. */
const ada = defineAgent({
  name: 'ada',
  state,
  limits: { turnsMax: 3 },
  async onMessage({ text, from }, ctx) {
    if (from === 'cy') {
      await ctx.reply(`ada heard ${text}`)
      if (text.endsWith('7')) await ctx.send('nobody', text)
      await ctx.send('bo', { handedOn: text }, { conversation: 'handed on' })
    }
    ctx.update(({ handled }) => void handled.push(`${from}: ${text}`))
  },
}) as unknown as AgentDefinition

const bo = defineAgent({
  name: 'bo',
  state,
  async onMessage({ payload, from, conversation, hops }, ctx) {
    const { handedOn } = payload as { handedOn: string }
    await ctx.reply(`bo has ${handedOn}`)
    ctx.update(({ handled }) => void handled.push(`${from}: ${handedOn} in ${conversation} after ${hops}`))
  },
}) as unknown as AgentDefinition

/** One seed: a v1 client that writes to an agent, which tells another one, through a plain v1 server, and mishaps. */
export async function runV1Seed(seed: number, options: V1SeedOptions = {}): Promise<V1SeedResult> {
  const random = createSeededRandom(`perdura/v1/${seed}`)
  const plan = random.fork('plan')
  const tokenTtlS = plan.pick([20, 300, 3_600])
  const world = new V1World(random, { tokenTtlS, requestsMax: plan.pick([100, 100, 60]) }, options.swaps)
  world.trace.onLine = options.onLine
  const machines = [new V1AgentMachine(ada, world), new V1AgentMachine(bo, world)]
  const violations: string[] = []
  // Whom the server does not know cannot be written to.
  for (const name of ['ada', 'bo', 'cy']) world.database.profile(name, world.clock.now())
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  const count = plan.int(5, 60)
  try {
    new Mishaps(world, machines, plan, count).start()
    await world.clock.runFor(mishapsMs)
    try {
      await world.clock.run(() => isDone(world, machines, count), { withinMs: convergesWithinMs })
      // Whatever comes twice has time to come.
      await world.clock.runFor(120_000)
    } catch (error) {
      violations.push(`converges: ${toError(error).message}`)
    }
    violations.push(...judge(world, machines, count))
  } catch (error) {
    violations.push(`no-stray-errors: ${toError(error).message}`)
  } finally {
    for (const { process } of machines) process?.kill('the end')
    world.stopServer()
    Error.stackTraceLimit = limit
  }
  return {
    violations,
    digest: world.trace.digest,
    lastLines: world.trace.last,
    reached: world.network.reached,
  }
}

class Mishaps {
  readonly #world: V1World
  readonly #machines: readonly V1AgentMachine[]
  readonly #random: SeededRandom
  readonly #count: number
  #calm = false
  #written = 0

  constructor(world: V1World, machines: readonly V1AgentMachine[], random: SeededRandom, count: number) {
    this.#world = world
    this.#machines = machines
    this.#random = random
    this.#count = count
  }

  start(): void {
    const { clock, network } = this.#world
    const random = this.#random
    network.delayMs = { min: 1, max: random.pick([2, 20, 400]) }
    this.#lose(random.pick([0, 0.05, 0.2]))
    this.#world.startServer()
    for (const machine of this.#machines) this.#boot(machine)
    this.#write()
    const deaths = random.int(0, 6)
    for (let death = 0; death < deaths; death++) this.#sometime(() => this.#die())
    const restarts = random.int(0, 2)
    for (let restart = 0; restart < restarts; restart++) this.#sometime(() => this.#restart())
    const outages = random.int(0, 2)
    for (let outage = 0; outage < outages; outage++) this.#sometime(() => this.#outage())
    const cuts = random.int(0, 4)
    for (let cut = 0; cut < cuts; cut++) {
      this.#sometime(() => network.cut(random.pick(this.#machines).name, v1Host, { halfOpenRate: 0.5 }))
    }
    const deletions = random.int(0, 10)
    for (let deletion = 0; deletion < deletions; deletion++) this.#sometime(() => this.#delete())
    clock.schedule(mishapsMs, () => {
      this.#calm = true
      this.#lose(0)
      network.heal()
      this.#world.database.isDown = false
      this.#world.startServer()
      for (const machine of this.#machines) machine.aim(undefined)
    })
  }

  #lose(rate: number): void {
    const { network } = this.#world
    for (const { name } of this.#machines) {
      network.link(name, v1Host).lossRate = rate
      network.link(v1Host, name).lossRate = rate
    }
  }

  /** One at a time, or many at once: then the inbox has more pages than one. */
  #write(): void {
    const { clock } = this.#world
    const burst = this.#random.chance(0.3) ? this.#random.int(2, 50) : 1
    for (let n = 0; n < burst && this.#written < this.#count; n++) {
      this.#world.write('cy', 'ada', `message ${++this.#written}`)
    }
    if (this.#written < this.#count) clock.schedule(this.#random.int(10, 4_000), () => this.#write())
  }

  #boot(machine: V1AgentMachine): void {
    const { clock } = this.#world
    machine.boot(() => {
      if (machine.process?.reason?.message === 'the end') return
      machine.aim(undefined)
      clock.schedule(this.#random.int(1, 3_000), () => this.#boot(machine))
    })
  }

  #die(): void {
    const machine = this.#random.pick(this.#machines)
    if (this.#random.chance(0.3)) machine.process?.kill('killed')
    else machine.aim(this.#random.int(1, this.#random.pick([5, 40, 200])))
  }

  #restart(): void {
    this.#world.stopServer()
    this.#world.clock.schedule(this.#random.int(1, 20_000), () => this.#world.startServer())
  }

  #outage(): void {
    const { database, clock } = this.#world
    database.isDown = true
    clock.schedule(this.#random.int(100, 30_000), () => (database.isDown = false))
  }

  /** What has been read already vanishes, and everything below moves up. */
  #delete(): void {
    const { database } = this.#world
    const read = new Set(of(handledBy(this.#machines[0]), 'cy'))
    const gone = database.messages.filter(({ content, deleted }) => read.has(content) && !deleted)
    if (gone.length > 0) this.#random.pick(gone).deleted = true
  }

  #sometime(act: () => void): void {
    this.#world.clock.schedule(this.#random.int(0, mishapsMs), () => {
      if (!this.#calm) act()
    })
  }
}

function isDone(world: V1World, machines: readonly V1AgentMachine[], count: number): boolean {
  return (
    machines.every(({ alive, agent, session }) => {
      if (!alive || agent === undefined || session !== 'online') return false
      return agent.reader.get("SELECT 1 FROM outbox WHERE status = 'pending' LIMIT 1") === undefined
    }) &&
    handledBy(machines[1]).length >= count &&
    world.inboxOf('ada').filter(({ from }) => from === 'bo').length >= count
  )
}

function judge(world: V1World, machines: readonly V1AgentMachine[], count: number): string[] {
  const numbers = Array.from({ length: count }, (_, index) => `message ${index + 1}`)
  const heard = handledBy(machines[0])
  const fromBo = world.inboxOf('ada').filter(({ from }) => from === 'bo')
  const toCy = world.inboxOf('cy')
  const refused = machines[0]?.agent?.reader.all<{ content: string }>(
    "SELECT content FROM outbox WHERE status = 'refused' ORDER BY sequence",
  )
  return [
    differ('ada heard cy', of(heard, 'cy'), numbers),
    differ(
      'ada heard bo',
      of(heard, 'bo'),
      numbers.map((text) => `bo has ${text}`),
    ),
    differ(
      'bo heard ada',
      of(handledBy(machines[1]), 'ada'),
      numbers.map((text) => `${text} in handed on after 1`),
    ),
    // Exactly once also at the server, where nobody but the sender looks.
    differ(
      'cy got',
      toCy.map(({ content }) => content),
      numbers.map((text) => `ada heard ${text}`),
    ),
    differ(
      'at the server for ada',
      fromBo.map(({ content }) => content),
      numbers.map((text) => `bo has ${text}`),
    ),
    differ(
      'refused',
      (refused ?? []).map(({ content }) => JSON.parse(content) as string),
      numbers.filter((text) => text.endsWith('7')),
    ),
  ].filter((problem) => problem !== '')
}

function of(heard: readonly string[], sender: string): string[] {
  return heard.filter((line) => line.startsWith(`${sender}: `)).map((line) => line.slice(sender.length + 2))
}

function differ(what: string, found: readonly string[], wanted: readonly string[]): string {
  const at = wanted.findIndex((line, index) => found[index] !== line)
  if (at === -1 && found.length === wanted.length) return ''
  const index = at === -1 ? wanted.length : at
  return `${what}: ${found.length} instead of ${wanted.length}, "${found[index]}" instead of "${wanted[index]}"`
}

function handledBy(machine: V1AgentMachine | undefined): string[] {
  const row = machine?.agent?.reader.get<{ value: string }>("SELECT value FROM state WHERE key = 'handled'")
  return row === undefined ? [] : (JSON.parse(row.value) as string[])
}
