import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Databases } from './databases.ts'
import { putBack, takeCopy } from './folders.ts'
import { judge, type Verdict } from './judge.ts'
import { Member } from './member.ts'
import { Person } from './person.ts'
import { agentNames, createPlan, type Plan, type PlannedKill, type PlanOptions, type Target } from './plan.ts'

export interface HubChaosOptions extends PlanOptions {
  /** Time after which the rest is called stuck, ms. */
  readonly deadlineMs: number
  /** Leaves the folder where a promise was broken, with logs and databases. */
  readonly keepEvidence?: boolean
  readonly signal?: AbortSignal
  readonly onKill?: (kills: number) => void
}

export interface HubChaosReport extends Verdict {
  readonly messages: number
  readonly inputs: number
  readonly kills: number
  readonly killsOfHub: number
  /** What took effect at the agent that was put back, and was undone by that. */
  readonly effectsUndone: number
  /** What the hub had taken, and had forgotten after it was put back. */
  readonly messagesUndone: number
  readonly seed: number
  readonly recoveryMedianMs: number
  /** From the last kill to the moment when nothing was under way any more. */
  readonly convergedMs: number
  readonly durationMs: number
  readonly settled: boolean
  /** Every promise was kept. */
  readonly kept: boolean
  /** Where the evidence is. */
  readonly folder: string | undefined
}

/** Kills a hub and three agents that write to each other, again and again, and puts both back to an earlier time. */
export async function runHubChaos(options: HubChaosOptions): Promise<HubChaosReport> {
  const home = mkdtempSync(join(tmpdir(), 'perdura-chaos-'))
  let keep = false
  try {
    const run = new HubChaosRun(options, home, await freePort())
    try {
      const report = await run.execute()
      keep = options.keepEvidence === true && !report.kept && options.signal?.aborted !== true
      return { ...report, folder: keep ? home : undefined }
    } finally {
      await run.end()
    }
  } finally {
    if (!keep) rmSync(home, { recursive: true, force: true })
  }
}

class HubChaosRun {
  readonly #options: HubChaosOptions
  readonly #home: string
  readonly #plan: Plan
  readonly #databases: Databases
  readonly #members: ReadonlyMap<Target, Member>
  readonly #persons: ReadonlyMap<Target, Person>
  /** How much had happened there when the copy was taken. */
  readonly #copies = new Map<Target, number>()
  readonly #putBack = new Set<string>()
  readonly #undone = { effects: 0, messages: 0 }
  readonly #startedMs = performance.now()
  readonly #deadline: AbortSignal

  constructor(options: HubChaosOptions, home: string, port: number) {
    this.#options = options
    this.#home = home
    this.#plan = createPlan(options)
    this.#databases = new Databases(home)
    const signals = options.signal === undefined ? [] : [options.signal]
    this.#deadline = AbortSignal.any([AbortSignal.timeout(options.deadlineMs), ...signals])
    // Read at the start of Node: what loads most of the program is the program itself.
    const environment = { NODE_COMPILE_CACHE: join(home, 'compiled') }
    const start = (name: string, program: string, ...parameters: string[]): Member =>
      new Member({ name, command: [join(import.meta.dirname, program), ...parameters], environment })
    mkdirSync(this.#databases.hubFolder)
    const url = `http://127.0.0.1:${port}`
    const agents = agentNames.map((name) => [name, start(name, 'agent-main.ts', name, home, url)] as const)
    const hub = start('hub', 'hub-main.ts', this.#databases.hubFolder, String(port))
    this.#members = new Map<Target, Member>([['hub', hub], ...agents])
    this.#persons = new Map(agents.map(([name, agent]) => [name, this.#createPerson(name, agent)]))
  }

  async execute(): Promise<Omit<HubChaosReport, 'folder'>> {
    // An agent that the hub has never heard of is nobody, and what goes to nobody is refused.
    await this.#until(() => agentNames.every((name) => this.#member(name).session === 'online'))
    const handingIn = Promise.all([...this.#persons.values()].map((person) => person.handIn()))
    for (const kill of this.#plan.kills) {
      await this.#kill(kill)
      this.#options.onKill?.(this.#kills)
    }
    const lastKillMs = performance.now()
    await handingIn
    const settled = await this.#until(() => this.#unrest() === '')
    const convergedMs = performance.now() - lastKillMs
    const unrest = settled ? [] : [`still under way: ${this.#unrest()}`]
    for (const name of agentNames) await this.#member(name).stop()
    await this.#member('hub').stop()
    return this.#report({ settled, convergedMs, unrest })
  }

  async end(): Promise<void> {
    await Promise.all([...this.#members.values()].map((member) => member.end()))
  }

  #member(target: Target): Member {
    return this.#members.get(target) as Member
  }

  get #kills(): number {
    return [...this.#members.values()].reduce((sum, { kills }) => sum + kills, 0)
  }

  /** Inputs are spread over the kills, so that these hit agents and a hub at work. */
  #createPerson(name: Target, agent: Member): Person {
    const { inputs } = this.#plan
    const places = new Map(inputs.map((input, index) => [input, index / inputs.length]))
    return new Person({
      agent,
      inputs: inputs.filter((input) => input.agent === name),
      permit: async (input) => {
        const isEarly = (): boolean =>
          (places.get(input) ?? 0) > (this.#kills + 1) / (this.#options.kills + 1)
        while (isEarly() && !this.#deadline.aborted) await sleep(5)
      },
      signal: this.#deadline,
    })
  }

  async #kill({ targets, when, delayMs, restartMs, meanwhile }: PlannedKill): Promise<void> {
    if (this.#deadline.aborted) return
    const members = targets.map((target) => this.#member(target))
    if (when === 'working') await Promise.all(members.map((member) => member.ready()))
    if (meanwhile === 'put-back') await this.#somethingToUndo(targets)
    await sleep(delayMs)
    await Promise.all(
      members.map((member, index) => {
        const target = targets[index] as Target
        return member.kill(restartMs, meanwhile && (() => this.#act(target, meanwhile)))
      }),
    )
  }

  /** Nobody has the folder open now. */
  #act(target: Target, what: NonNullable<PlannedKill['meanwhile']>): void {
    const isHub = target === 'hub'
    const folder = isHub ? this.#databases.hubFolder : this.#databases.agentFolder(target)
    const copy = join(this.#home, 'copies', target)
    const progress = this.#databases.progress(target)
    if (what === 'copy') {
      takeCopy(folder, copy)
      this.#copies.set(target, progress)
      return
    }
    putBack(folder, copy)
    this.#putBack.add(target)
    this.#undone[isHub ? 'messages' : 'effects'] += progress - (this.#copies.get(target) ?? 0)
    this.#persons.get(target)?.startOver()
  }

  /** A restore that undoes nothing shows nothing. Not for ever: perhaps there is nothing left to do. */
  async #somethingToUndo(targets: readonly Target[]): Promise<void> {
    const patience = AbortSignal.any([AbortSignal.timeout(undoPatienceMs), this.#deadline])
    const wanted = (target: Target): number => (this.#copies.get(target) ?? 0) + undoneMin
    while (!patience.aborted && targets.some((target) => this.#databases.progress(target) < wanted(target)))
      await sleep(20)
  }

  /** False when the time is up before. */
  async #until(condition: () => boolean): Promise<boolean> {
    while (!this.#deadline.aborted) {
      await Promise.all([...this.#members.values()].map((member) => member.ready()))
      if (condition()) return true
      await sleep(50)
    }
    return false
  }

  #unrest(): string {
    const away = agentNames.filter((name) => this.#member(name).session !== 'online')
    const waiting = [...this.#persons].filter(([, person]) => !person.isDone)
    return [
      ...away.map((name) => `${name} is ${this.#member(name).session}`),
      ...waiting.map(([name]) => `${name} has not been handed everything`),
      ...[this.#databases.unrest()].filter((text) => text !== ''),
    ].join(', ')
  }

  #report(end: {
    readonly settled: boolean
    readonly convergedMs: number
    readonly unrest: readonly string[]
  }): Omit<HubChaosReport, 'folder'> {
    const databases = this.#databases
    const { findings, ...verdict } = judge({
      work: this.#plan,
      handled: new Map(agentNames.map((name) => [name, databases.handled(name)])),
      refused: databases.refused(),
      keptForNobody: databases.keptForNobody(),
      putBack: this.#putBack,
    })
    const members = [...this.#members.values()]
    const all = [
      ...end.unrest,
      ...members.flatMap(({ complaints }) => complaints),
      ...databases.faultsOfHub(),
      ...findings,
    ]
    return {
      messages: this.#plan.messages.size,
      inputs: this.#plan.inputs.length,
      kills: this.#kills,
      killsOfHub: this.#member('hub').kills,
      ...verdict,
      effectsUndone: this.#undone.effects,
      messagesUndone: this.#undone.messages,
      seed: this.#options.seed,
      recoveryMedianMs: Math.round(median(members.flatMap(({ recoveriesMs }) => recoveriesMs))),
      convergedMs: Math.round(end.convergedMs),
      durationMs: Math.round(performance.now() - this.#startedMs),
      settled: end.settled,
      kept: end.settled && all.length === 0,
      findings: all,
    }
  }
}

const undoneMin = 5
const undoPatienceMs = 10_000

/**
 * A port to which the hub can come back each time: below those that the system gives to connections, since one that is
 * being opened to a port without a listener may get this very port, and then it talks to itself.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!free) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
