import type { AgentDefinition } from '../agent/definition.ts'
import { toError } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { LogFields } from '../platform/log.ts'
import type { Outgoing, Verdict } from '../queue/outbox.ts'
import type { Accepted, Agent, IngestInput } from '../runtime/agent.ts'
import type { AgentLimits } from '../runtime/agent-limits.ts'
import { assembleAgent } from '../runtime/assemble.ts'
import { agentParts, type AgentParts } from '../runtime/parts.ts'
import type { DatabaseFiles } from '../store/database.ts'
import type { StoreLimits } from '../store/open-store.ts'
import { openNoteIndex } from '../store/sqlite/note-index.ts'
import { drawEnd, type AgentFaults, type PlannedEnd } from './agent-faults.ts'
import { Boundaries } from './boundaries.ts'
import { stopCleanly, type StopRecord } from './clean-stop.ts'
import { SimulatedClock } from './clock.ts'
import { SimulatedDatabase } from './database.ts'
import { isDeath } from './death.ts'
import { SimulatedDisk } from './disk.ts'
import { Network, type Outside } from './outside.ts'
import { SimulatedProcess } from './process.ts'
import { createSeededRandom, type SeededRandom } from './random.ts'
import { createSimulatedLog } from './simulated-log.ts'
import { StopDeath } from './stop-death.ts'
import { Trace } from './trace.ts'

/** Ports and parts that are put in place of the usual ones: to break one, and see that the simulation notices. */
export interface Swaps {
  readonly parts?: Partial<AgentParts>
  readonly disk?: (disk: Disk, incarnation: number) => Disk
  readonly files?: (files: DatabaseFiles) => DatabaseFiles
  readonly clock?: (clock: Clock) => Clock
  readonly deliver?: (deliver: Deliver) => Deliver
}

type Deliver = (message: Outgoing) => Promise<Verdict>

export interface AgentSimulationOptions {
  readonly seed: number | string
  /** Called at every start of the process, as a fresh process loads its code. */
  readonly agent: (outside: Outside, process: SimulatedProcess, safeMode: boolean) => AgentDefinition
  readonly faults: AgentFaults
  /** What a recipient does with a message that arrives. Default: takes it. */
  readonly deliver?: ((message: Outgoing) => Verdict) | undefined
  readonly limits?: Partial<AgentLimits> | undefined
  readonly store?: Partial<StoreLimits> | undefined
  readonly swaps?: Swaps | undefined
}

/** How one incarnation of the process went, for whoever judges from outside. */
export interface Incarnation {
  readonly number: number
  readonly process: SimulatedProcess
  /** Set once the agent was ready. */
  agent: Agent | undefined
  /** Why it could not start, if so. */
  startError: Error | undefined
  closing: boolean
  closed: boolean
  /** Its mind is off. */
  readonly safeMode: boolean
  /** How its clean stop went, where it was asked for one. */
  stop: StopRecord | undefined
}

const folder = '/home/agents/simulated'
const restartAfterFailureMs = 250
/** Of stops that nobody is in a hurry about. */
const endDeadlineMs = 10_000

/**
 * One agent on one simulated machine, in as many processes as it takes: started again whenever it died, with whatever
 * disk and database the faults have left. The faults are planned from the seed and end with `calm`.
 */
export class AgentSimulation {
  readonly clock = new SimulatedClock()
  readonly trace = new Trace()
  readonly random: SeededRandom
  readonly disk: SimulatedDisk
  readonly database: SimulatedDatabase
  readonly network: Network
  /** All of them, the current one last. */
  readonly incarnations: Incarnation[] = []
  /** How often each boundary was passed, and each fault met, that disk and database do not count themselves. */
  readonly reached = new Map<string, number>()
  onReady: ((incarnation: Incarnation) => void) | undefined
  onDeath: ((incarnation: Incarnation) => void) | undefined
  /** It is about to be asked to stop, and still runs. */
  onStopping: ((incarnation: Incarnation) => void) | undefined
  onLog: ((event: string, fields: LogFields) => void) | undefined
  readonly #options: AgentSimulationOptions
  readonly #plan: SeededRandom
  /** Of what is decided about safe mode and impatience. */
  readonly #modes: SeededRandom
  #deathsLeft: number
  #lastEnd: PlannedEnd | undefined
  #calm = false
  #over = false
  readonly #boundaries: Boundaries
  readonly #stopDeath: StopDeath

  constructor(options: AgentSimulationOptions) {
    this.#options = options
    const { clock, faults } = { clock: this.clock, faults: options.faults }
    this.random = createSeededRandom(options.seed)
    this.#plan = this.random.fork('plan')
    this.#modes = this.random.fork('modes')
    this.disk = new SimulatedDisk({ clock, random: this.random.fork('disk') })
    this.database = new SimulatedDatabase({ clock, random: this.random.fork('database') })
    this.network = new Network(clock, this.random.fork('network'), faults)
    this.#deathsLeft = faults.deathsMax
    this.disk.faults.rates = faults.disk
    this.database.fullRate = faults.databaseFullRate
    this.#boundaries = new Boundaries(this.trace, this.disk, this.database)
    this.#stopDeath = new StopDeath(this.random.fork('stop-death'), clock, this.#boundaries)
    this.#boundaries.onHit = (name) => {
      this.#count(`death:${name}`)
      this.current?.process.dieHere(`killed at ${name}`)
    }
  }

  get current(): Incarnation | undefined {
    return this.incarnations.at(-1)
  }

  /** The agent, while it is there and takes something in. */
  get agent(): Agent | undefined {
    const { current } = this
    return current?.process.alive === true && !current.closing ? current.agent : undefined
  }

  get folder(): string {
    return folder
  }

  /** Starts the first process; the others follow by themselves. `faultsMs` is when the quiet period begins. */
  start(faultsMs: number): void {
    const { fullDisks, clockJumps, clockJumpMsMax } = this.#options.faults
    for (let count = 0; count < fullDisks; count++) this.#planFullDisk(faultsMs)
    for (let count = 0; count < clockJumps; count++) {
      this.clock.schedule(this.#plan.int(0, faultsMs), () => {
        this.#count('clock:jump')
        this.clock.jump(this.#plan.int(-clockJumpMsMax, clockJumpMsMax))
      })
    }
    this.clock.schedule(faultsMs, () => this.calm())
    this.#boot()
  }

  /** Ends the faults: from here on everything must converge. */
  calm(): void {
    if (this.#calm) return
    this.#calm = true
    this.#boundaries.aimAtNothing()
    this.trace.add('— calm —')
    this.disk.faults.clear()
    this.database.fullRate = 0
    this.disk.capacityBytes = 64 * 1024 ** 3
    this.network.rates = { lossRate: 0, latencyMsMax: this.#options.faults.latencyMsMax }
  }

  /** Stops the agent for good: cleanly if asked, else by a kill. */
  async end(clean: boolean): Promise<void> {
    this.#over = true
    const { current } = this
    if (current === undefined || !current.process.alive) return
    if (clean && current.agent !== undefined) {
      const { agent, process } = current
      const died = new Promise<void>((resolve) => process.onDeath(resolve))
      await Promise.race([this.#close(current, agent, endDeadlineMs), died])
    }
    current.process.kill('the end')
  }

  /** One attempt to hand something in, as somebody outside makes it: rejects also when only the answer got lost. */
  async ingest(input: IngestInput): Promise<Accepted> {
    await this.sleep(this.network.delayMs)
    if (this.network.loses()) throw new Error('the request got lost')
    const accepted = await this.ask((agent) => agent.ingest(input))
    this.trace.add(`acknowledged ${input.id} at ${accepted.position}`)
    if (this.network.loses()) {
      this.#count('ingest:answer-lost')
      throw new Error('the answer got lost')
    }
    await this.sleep(this.network.delayMs)
    return accepted
  }

  /** Calls the agent from outside; rejects where it is not running, or dies before it answers. */
  async ask<T>(call: (agent: Agent) => Promise<T>): Promise<T> {
    const { agent, current } = this
    if (agent === undefined || current === undefined) throw new Error('it is not running')
    const died = new Promise<never>((_, reject) => {
      current.process.onDeath(() => reject(new Error('it died before it answered')))
    })
    const answer = await Promise.race([call(agent), died])
    if (!current.process.alive) throw new Error('it died before it answered')
    return answer
  }

  /** Virtual time for whoever is outside. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.schedule(ms, resolve)
    })
  }

  #boot(): void {
    if (this.#over) return
    const number = this.incarnations.length + 1
    const process = new SimulatedProcess({ pid: 100 + number, name: `process ${number}` })
    const incarnation: Incarnation = {
      number,
      process,
      agent: undefined,
      startError: undefined,
      closing: false,
      closed: false,
      safeMode: !this.#calm && this.#modes.chance(this.#options.faults.safeModeRate),
      stop: undefined,
    }
    this.incarnations.push(incarnation)
    this.trace.add(`boot ${number} at ${this.clock.monotonicMs()}`)
    process.onDeath(() => this.#died(incarnation))
    this.#planEnd(incarnation)
    if (incarnation.safeMode) this.#endSafeMode(incarnation, this.#modes.int(100, 4_000))
    void this.#run(incarnation)
  }

  async #run(incarnation: Incarnation): Promise<void> {
    const { process, number, safeMode } = incarnation
    const { agent: define, swaps = {}, limits, store } = this.#options
    try {
      const disk = this.disk.for(process)
      const files = this.database.for(process, disk)
      const clock = this.clock.for(process)
      const random = this.random.fork(process.name)
      const deliver: Deliver = (message) => this.#deliver(process, message)
      const agent = await assembleAgent({
        definition: define(this.network.for(process), process, safeMode),
        safeMode,
        folder,
        files: swaps.files?.(files) ?? files,
        platform: {
          clock: swaps.clock?.(clock) ?? clock,
          random,
          disk: swaps.disk?.(disk, number) ?? disk,
          process,
        },
        log: createSimulatedLog(this.trace, (event, fields) => this.#logged(event, fields)),
        openSearch: (reader) => openNoteIndex({ path: ':memory:', reader }),
        deliver: swaps.deliver?.(deliver) ?? deliver,
        ...(limits !== undefined && { limits }),
        ...(store !== undefined && { store }),
        parts: { ...agentParts, ...swaps.parts },
      })
      if (!process.alive) return
      incarnation.agent = agent
      this.onReady?.(incarnation)
    } catch (thrown) {
      if (!process.alive || isDeath(thrown)) return
      incarnation.startError = toError(thrown)
      this.trace.add(`could not start: ${incarnation.startError.message}`)
      process.kill('could not start')
    }
  }

  async #deliver(process: SimulatedProcess, message: Outgoing): Promise<Verdict> {
    const take = this.#options.deliver ?? ((): Verdict => ({ verdict: 'delivered' }))
    try {
      return await this.network.for(process).request(`message ${message.id}`, () => take(message))
    } catch (thrown) {
      return { verdict: 'retry', error: toError(thrown).message }
    }
  }

  #planEnd(incarnation: Incarnation): void {
    const { process } = incarnation
    this.#boundaries.aimAtNothing()
    if (this.#calm || this.#deathsLeft === 0) return
    this.#deathsLeft -= 1
    const { faults } = this.#options
    const end: PlannedEnd = this.#modes.chance(faults.stopRate)
      ? { kind: 'stop', afterMs: this.#modes.int(0, 3_000), deadlineMs: endDeadlineMs }
      : drawEnd(this.#plan, faults, this.#lastEnd)
    this.#lastEnd = end
    this.trace.add(`planned: ${JSON.stringify(end)}`)
    switch (end.kind) {
      case 'none':
        return
      case 'boundary':
        this.#boundaries.aimAt(end.prefix, end.count)
        return
      case 'time':
        this.#whileFaulty(end.afterMs, process, () => process.kill())
        return
      case 'stop':
        this.#whileFaulty(end.afterMs, process, () => {
          const { agent } = incarnation
          if (agent === undefined) return process.kill()
          // It has been counted as a death already.
          this.#stopDeath.plan(faults.stopDeathRate, process)
          void this.#close(incarnation, agent, end.deadlineMs)
        })
    }
  }

  #whileFaulty(afterMs: number, process: SimulatedProcess, act: () => void): void {
    const run = (): void => {
      if (!this.#calm) act()
    }
    this.clock.schedule(afterMs, run, process)
  }

  /** It ends by itself, also where the faults have ended meanwhile. */
  #endSafeMode(incarnation: Incarnation, afterMs: number): void {
    const { process } = incarnation
    this.#count('safe-mode')
    const end = (): void => {
      const { agent, closing } = incarnation
      if (closing) return
      if (agent === undefined) this.clock.schedule(restartAfterFailureMs, end, process)
      else void this.#close(incarnation, agent, endDeadlineMs)
    }
    this.clock.schedule(afterMs, end, process)
  }

  async #close(incarnation: Incarnation, agent: Agent, deadlineMs: number): Promise<void> {
    const { process } = incarnation
    this.onStopping?.(incarnation)
    incarnation.closing = true
    this.trace.add('stop')
    const hurries = !this.#calm && this.#modes.chance(this.#options.faults.hurryRate)
    const hurryAfterMs = hurries ? this.#modes.int(0, 2_000) : undefined
    try {
      const { record, ended } = stopCleanly(agent, { clock: this.clock, process, deadlineMs, hurryAfterMs })
      incarnation.stop = record
      await ended
      if (!process.alive) return
      incarnation.closed = true
      if (incarnation.stop.hurriedMs !== undefined) this.#count('stop:hurried')
      this.#count('process:stopped')
      process.kill('stopped')
    } catch (thrown) {
      if (!process.alive) return
      this.trace.add(`could not stop: ${toError(thrown).message}`)
      process.kill('could not stop')
    }
  }

  #logged(event: string, fields: LogFields): void {
    const stage = this.#stopDeath.logged(event, fields)
    if (stage !== undefined) this.#count(`stop:death:${stage}`)
    this.onLog?.(event, fields)
  }

  #died(incarnation: Incarnation): void {
    const reason = incarnation.process.reason?.message ?? ''
    this.trace.add(`died ${incarnation.number} at ${this.clock.monotonicMs()}: ${reason}`)
    this.#boundaries.aimAtNothing()
    this.onDeath?.(incarnation)
    if (this.#over) return
    const { powerCutRate, databaseLossRate, downtimeMsMax } = this.#options.faults
    const powerCut = !this.#calm && this.#plan.chance(powerCutRate)
    const loss = !this.#calm && this.#plan.chance(databaseLossRate)
    const failed = incarnation.startError === undefined ? 0 : restartAfterFailureMs
    // Not before the code of the dead process has met its death and is off the stack.
    this.clock.schedule(failed + this.#plan.int(1, downtimeMsMax), () => {
      if (powerCut) {
        this.trace.add('power cut')
        this.disk.powerCut()
        this.database.powerCut()
      }
      if (loss) {
        const fate = this.#plan.pick(['lose', 'corrupt'] as const)
        this.trace.add(`database: ${fate}`)
        this.database[fate]()
      }
      this.#boot()
    })
  }

  #planFullDisk(faultsMs: number): void {
    this.clock.schedule(this.#plan.int(0, faultsMs), () => {
      if (this.#calm) return
      this.#count('disk:full')
      this.trace.add('disk full')
      this.disk.capacityBytes = 0
      this.clock.schedule(this.#plan.int(10, 4_000), () => (this.disk.capacityBytes = 64 * 1024 ** 3))
    })
  }

  #count(what: string): void {
    this.reached.set(what, (this.reached.get(what) ?? 0) + 1)
  }
}
