import type { ChildMode } from '../../../src/supervisor/exits.ts'
import type { SeededRandom, SimulatedClock } from '../../../src/testing/index.ts'
import type { Trace } from '../../../src/testing/trace.ts'
import { ChildProcess, type Listener } from './process.ts'
import { defectAt, holdsInSafeMode, type Episode } from './program.ts'

/** Where processes say hello: the socket of the supervisor that has the lock. */
export interface Link extends Listener {
  hello(process: ChildProcess): void
}

/** A process that has nothing to do with any of this. */
interface Stranger {
  readonly pid: number
  readonly identity: string
}

/** What happens on the machine, as the judge sees it. */
export interface MachineWatch {
  started(process: ChildProcess): void
  notStarted(name: string, mode: ChildMode): void
  ended(process: ChildProcess): void
  signalledStranger(pid: number): void
}

const firstPid = 300
/** So few that each is used again and again. */
const pids = 24

/** A machine: its processes, its disk, its boot. It outlives supervisors, and is started anew now and then. */
export class Machine {
  readonly clock: SimulatedClock
  readonly trace: Trace
  readonly files = new Map<string, string>()
  readonly reached = new Map<string, number>()
  link: Link | undefined
  isFull = false
  /** Whether it shows what its processes were started as. */
  readonly isSearchable: boolean
  starts = 0
  bootId = 'boot-1'
  #boots = 1
  readonly #random: SeededRandom
  readonly #episodes: ReadonlyMap<string, readonly Episode[]>
  readonly #watch: MachineWatch
  readonly #processes = new Map<number, ChildProcess | Stranger>()
  readonly #onEnd = new Map<ChildProcess, () => void>()
  #nextPid = 0
  #identities = 0

  constructor(
    clock: SimulatedClock,
    trace: Trace,
    random: SeededRandom,
    episodes: ReadonlyMap<string, readonly Episode[]>,
    watch: MachineWatch,
  ) {
    this.clock = clock
    this.trace = trace
    this.#random = random
    this.isSearchable = random.fork('search').chance(0.5)
    this.#episodes = episodes
    this.#watch = watch
  }

  get children(): ChildProcess[] {
    return [...this.#processes.values()].filter((process) => process instanceof ChildProcess)
  }

  reach(what: string): void {
    this.reached.set(what, (this.reached.get(what) ?? 0) + 1)
  }

  say(line: string): void {
    this.trace.add(`${Math.round(this.clock.monotonicMs())} ${line}`)
  }

  /** Throws where it cannot be started. */
  start(name: string, mode: ChildMode): ChildProcess {
    const drawn = defectAt(this.#episodes.get(name) ?? [], this.clock.monotonicMs())
    const defect = drawn !== undefined && (mode === 'normal' || holdsInSafeMode(drawn)) ? drawn : undefined
    if (defect !== undefined) this.reach(`defect:${defect}`)
    if (defect === 'not-started') {
      this.#watch.notStarted(name, mode)
      throw new Error('EAGAIN')
    }
    const { pid, identity } = this.#take()
    const process = new ChildProcess(this, pid, identity, {
      name,
      mode,
      defect,
      random: this.#random.fork(`process/${name}`),
    })
    this.#processes.set(pid, process)
    this.starts += 1
    this.say(`${name} starts as ${pid}, ${mode}${defect === undefined ? '' : `, ${defect}`}`)
    this.#watch.started(process)
    return process
  }

  ended(process: ChildProcess): void {
    this.#processes.delete(process.pid)
    this.say(`${process.name} ${process.pid} ends: ${process.cause} ${process.code ?? ''}`)
    this.#watch.ended(process)
    this.#onEnd.get(process)?.()
    this.#onEnd.delete(process)
    if (this.#random.chance(0.3)) {
      // Somebody else's program gets its number.
      const identity = this.#identity()
      this.#processes.set(process.pid, { pid: process.pid, identity })
      this.reach('pid:reused')
    }
  }

  /** Its parent is told. */
  onEnd(process: ChildProcess, listener: () => void): void {
    this.#onEnd.set(process, listener)
  }

  identify(pid: number): string | undefined {
    return this.#processes.get(pid)?.identity
  }

  find(pid: number): ChildProcess | undefined {
    const process = this.#processes.get(pid)
    return process instanceof ChildProcess ? process : undefined
  }

  /** What is to be seen of the processes of each child, whether or not they speak; undefined where the system does not show it. */
  search(): ReadonlyMap<string, readonly ChildProcess[]> | undefined {
    if (!this.isSearchable) return undefined
    if (this.children.some((process) => !this.isNamed(process))) this.reach('found by search')
    return Map.groupBy(this.children, ({ name }) => name)
  }

  /** By number, as the system does it: whoever has it now gets the signal. */
  signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): boolean {
    const process = this.#processes.get(pid)
    if (process instanceof ChildProcess) return process.signal(name)
    if (process !== undefined) this.#watch.signalledStranger(pid)
    return process !== undefined
  }

  /** Whether somebody who has only the disk can know of it. */
  isNamed({ name, pid, identity }: ChildProcess): boolean {
    return [this.files.get(name), this.files.get(`pid/${name}`)].some((text) => {
      if (text === undefined) return false
      const document = JSON.parse(text) as { pid?: number; identity?: string; process?: object | null }
      const named = { ...document, ...document.process }
      return named.pid === pid && named.identity === identity
    })
  }

  writePidFile({ name, pid, identity }: ChildProcess): void {
    if (!this.isFull) this.files.set(`pid/${name}`, JSON.stringify({ pid, identity }))
  }

  /** SIGSTOP, and SIGCONT after a while. */
  suspend(process: ChildProcess, ms: number): void {
    const nowMs = this.clock.monotonicMs()
    if (process.asleepUntilMs > nowMs) return
    process.asleepUntilMs = nowMs + ms
    this.clock.sleep(process, ms, { monotonicGoesOn: true })
    this.say(`${process.name} ${process.pid} is suspended for ${ms} ms`)
  }

  /** All processes end, without a word. */
  reboot(): void {
    this.say('the machine starts anew')
    for (const process of this.children) process.end('reboot', null)
    this.#processes.clear()
    this.#boots += 1
    this.bootId = `boot-${this.#boots}`
  }

  #take(): { pid: number; identity: string } {
    for (;;) {
      const pid = firstPid + (this.#nextPid % pids)
      this.#nextPid += 1
      const there = this.#processes.get(pid)
      if (there instanceof ChildProcess) continue
      if (there !== undefined && this.#random.chance(0.5)) continue
      return { pid, identity: this.#identity() }
    }
  }

  #identity(): string {
    this.#identities += 1
    return `${this.bootId}:${this.#identities}`
  }
}
