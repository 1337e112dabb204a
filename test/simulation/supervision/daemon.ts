import type { AdoptedProcess, Child, ChildSink, Spawner } from '../../../src/platform/child.ts'
import type { Clock } from '../../../src/platform/clock.ts'
import type { ChildWord } from '../../../src/supervisor/child-state.ts'
import type { SupervisorParts } from '../../../src/supervisor/parts.ts'
import { Supervisor, type ChildSpec, type SupervisorOptions } from '../../../src/supervisor/supervisor.ts'
import { SimulatedProcess } from '../../../src/testing/process.ts'
import type { SeededRandom } from '../../../src/testing/index.ts'
import type { Machine } from './machine.ts'
import { silentLog } from '../../helpers/silent-log.ts'
import type { ChildProcess, ProcessWord } from './process.ts'

/** Parts of a supervisor that a mutant replaces. */
export interface SupervisionSwaps {
  readonly parts?: Partial<SupervisorParts>
  readonly options?: (options: SupervisorOptions, machine: Machine) => Partial<SupervisorOptions>
}

/** What a supervisor does, as the judge sees it. */
export interface DaemonWatch {
  signalled(process: ChildProcess, name: 'SIGTERM' | 'SIGKILL', daemon: Daemon): void
  recorded(name: string, text: string): void
  heard(process: ChildProcess, word: ProcessWord, daemon: Daemon): void
  entered(name: string, state: Parameters<SupervisorOptions['sink']['onState']>[1], daemon: Daemon): void
  exited(process: ChildProcess | undefined, reason: string, name: string, daemon: Daemon): void
}

/** How the daemon hears of a process: the sink that the supervisor gave it. */
interface Handle {
  readonly process: ChildProcess
  readonly sink: ChildSink
  lastCode: number | null
}

const adoptedPollMs = 1_000

/** One process of the daemon on its machine, with its supervisor; it dies, or leaves, and the next one comes. */
export class Daemon {
  readonly process: SimulatedProcess
  readonly supervisor: Supervisor
  readonly startedMs: number
  isEnding = false
  readonly #machine: Machine
  readonly #clock: Clock
  readonly #watch: DaemonWatch
  readonly #random: SeededRandom
  readonly #handles = new Map<number, Handle>()
  readonly #last = new Map<string, ChildProcess>()
  /** It dies at the n-th call of a port from now. */
  #diesAtCall: number | undefined

  constructor(machine: Machine, random: SeededRandom, watch: DaemonWatch, swaps: SupervisionSwaps) {
    this.#machine = machine
    this.#random = random
    this.#watch = watch
    this.process = new SimulatedProcess({ name: 'daemon' })
    this.#clock = machine.clock.for(this.process)
    this.startedMs = machine.clock.monotonicMs()
    const options = this.#options(swaps)
    this.supervisor = new Supervisor({ ...options, ...swaps.options?.(options, machine) })
    machine.link = this
    this.process.onDeath(() => this.#lost())
  }

  get alive(): boolean {
    return this.process.alive
  }

  begin(specs: readonly ChildSpec[]): void {
    this.supervisor.begin(specs).catch(() => undefined)
  }

  /** Dies within one of the next calls of its ports, wherever that is. */
  dieSoon(calls: number | undefined): void {
    this.#diesAtCall = calls
  }

  /** Leaves its children to the next one. */
  leave(): void {
    this.supervisor.leave()
    this.process.kill('left')
  }

  hello(process: ChildProcess): void {
    this.#soon(() => {
      if (!process.alive) return
      const { name, pid, identity } = process
      if (this.#handles.get(pid)?.process !== process) this.supervisor.found(name, { pid, identity })
      if (this.#handles.get(pid)?.process === process) process.known = true
    })
  }

  hear(process: ChildProcess, word: ProcessWord): void {
    this.#soon(() => {
      const handle = this.#handles.get(process.pid)
      if (handle?.process !== process) return
      if (word.kind === 'exit') handle.lastCode = word.code
      else {
        handle.sink.onMessage(word)
        this.#watch.heard(process, word, this)
      }
    })
  }

  #options(swaps: SupervisionSwaps): SupervisorOptions {
    const machine = this.#machine
    return {
      spawner: this.#spawner(),
      clock: this.#clock,
      random: this.#random.fork('supervisor'),
      processes: { identify: (pid) => machine.identify(pid) },
      bootId: machine.bootId,
      log: silentLog,
      records: {
        read: (name) => machine.files.get(name),
        write: (name, text) => {
          this.#port()
          if (machine.isFull) {
            machine.reach('disk:full')
            throw new Error('no space left on device')
          }
          machine.files.set(name, text)
          this.#watch.recorded(name, text)
          this.#port()
        },
        setAside: () => undefined,
      },
      command: ({ name }, mode) => ({ file: name, arguments: [mode] }),
      understand: (message) => message as ChildWord,
      find: (name) => {
        const text = machine.files.get(`pid/${name}`)
        return text === undefined ? undefined : (JSON.parse(text) as AdoptedProcess)
      },
      search: () => {
        this.#port()
        return machine.search()
      },
      sink: {
        onState: (name, state) => {
          machine.say(`${name} is ${state.name}${'reason' in state ? ` (${state.reason})` : ''}`)
          machine.reach(`state:${state.name}`)
          this.#watch.entered(name, state, this)
        },
        onMessage: () => undefined,
        onLine: () => undefined,
        onExit: (name, exit, reason) => {
          machine.reach(`reason:${reason}`)
          this.#watch.exited(exit.error === undefined ? this.#last.get(name) : undefined, reason, name, this)
        },
        onEvidence: () => undefined,
      },
      ...(swaps.parts !== undefined && { parts: swaps.parts }),
    }
  }

  #spawner(): Spawner {
    const machine = this.#machine
    return {
      spawn: ({ file, arguments: [mode] }, sink) => {
        this.#port()
        const process = machine.start(file, mode === 'safe' ? 'safe' : 'normal')
        this.#last.set(file, process)
        this.#handles.set(process.pid, { process, sink, lastCode: null })
        this.#awaitEnd(process, sink)
        this.#port()
        return this.#childOf(process, (name) => process.signal(name))
      },
      adopt: ({ pid, identity }, sink) => {
        this.#port()
        if (machine.identify(pid) === undefined || machine.identify(pid) !== identity) return undefined
        const process = machine.find(pid)
        if (process === undefined) return this.#stranger(pid)
        process.wasAdopted = true
        process.known = true
        machine.reach('adopted')
        this.#last.set(process.name, process)
        const handle: Handle = { process, sink, lastCode: null }
        this.#handles.set(pid, handle)
        this.#pollEnd(handle)
        return this.#childOf(
          process,
          (name) => machine.identify(pid) === identity && machine.signal(pid, name),
        )
      },
    }
  }

  #childOf(process: ChildProcess, deliver: (name: 'SIGTERM' | 'SIGKILL') => boolean): Child {
    return {
      pid: process.pid,
      signal: (name) => {
        this.#port()
        if (process.alive) this.#watch.signalled(process, name, this)
        return deliver(name)
      },
      send: () => undefined,
      evidence: () =>
        new Promise((resolve) => {
          // Some look takes longer than anybody waits for it.
          this.#clock.setTimer(this.#random.int(10, 3_000), () => resolve('seen'))
        }),
    }
  }

  /** Only a supervisor that does not compare identities gets here. */
  #stranger(pid: number): Child {
    return {
      pid,
      signal: (name) => this.#machine.signal(pid, name),
      send: () => undefined,
      evidence: () => Promise.resolve(undefined),
    }
  }

  /** A parent is told of the end of its child, with all that there is to know. */
  #awaitEnd(process: ChildProcess, sink: ChildSink): void {
    this.#machine.onEnd(process, () => {
      this.#soon(() => {
        if (this.#handles.get(process.pid)?.process === process) this.#handles.delete(process.pid)
        const signal = process.code === null ? 'SIGKILL' : null
        sink.onExit({ code: process.code, signal })
      })
    })
  }

  /** What is nobody's child is looked for; another one may have its number by now. */
  #pollEnd(handle: Handle): void {
    this.#clock.setTimer(adoptedPollMs, () => {
      const { process, sink } = handle
      if (process.alive) {
        this.#pollEnd(handle)
        return
      }
      if (this.#handles.get(process.pid) === handle) this.#handles.delete(process.pid)
      sink.onExit({ code: handle.lastCode, signal: null })
    })
  }

  #lost(): void {
    if (this.#machine.link === this) this.#machine.link = undefined
    for (const process of this.#machine.children) process.lostListener(this)
  }

  #port(): void {
    this.process.check()
    if (this.#diesAtCall === undefined) return
    this.#diesAtCall -= 1
    if (this.#diesAtCall > 0) return
    this.#machine.reach('daemon:died within')
    this.process.dieHere('killed within')
  }

  #soon(run: () => void): void {
    this.#machine.clock.schedule(1, run, this.process)
  }
}
