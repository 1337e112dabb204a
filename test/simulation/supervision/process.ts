import type { ChildMode } from '../../../src/supervisor/exits.ts'
import type { Beat, ChildWord } from '../../../src/supervisor/child-state.ts'
import { SimulatedDeath } from '../../../src/testing/death.ts'
import type { SeededRandom } from '../../../src/testing/index.ts'
import type { Owner } from '../../../src/testing/owner.ts'
import type { Machine } from './machine.ts'
import type { Defect } from './program.ts'

/** Why a process really ended. */
export type Cause = 'exit' | 'drained' | 'SIGKILL' | 'out of memory' | 'reboot'

export type ProcessWord = ChildWord | { readonly kind: 'exit'; readonly code: number }

/** Who listens to a process: its supervisor, as long as that lives. */
export interface Listener {
  hear(process: ChildProcess, word: ProcessWord): void
}

export interface ProcessPlan {
  readonly name: string
  readonly mode: ChildMode
  readonly defect: Defect | undefined
  readonly random: SeededRandom
}

const beatMs = 1_000
export const handoverMs = 500
const memoryMb = 60

/** One process of a child, as it lives on its machine: it goes on when whoever started it dies. */
export class ChildProcess implements Owner {
  readonly pid: number
  readonly identity: string
  readonly name: string
  readonly mode: ChildMode
  readonly defect: Defect | undefined
  readonly startedMs: number
  cause: Cause | undefined
  /** Until when it is suspended. */
  asleepUntilMs = 0
  code: number | null = null
  isReady = false
  /** When its event loop ran last. */
  loopedMs: number
  /** It was told to end by a supervisor, with this. */
  readonly signals: string[] = []
  saidStalled = false
  beatsTooLarge = 0
  saidHandover = false
  handoverHeard = false
  readyMs = Infinity
  /** How long the supervisor that there is has watched it since some supervisor heard that it hands over, ms. */
  sinceHandoverMs = 0
  watchedBy: Listener | undefined
  /** When it was last told to end, and by whom. */
  toldToEnd: { readonly by: Listener; readonly ms: number } | undefined
  turns = 0
  /** Some record names it, or some supervisor has heard of it. */
  known = false
  /** A record of this supervisor says that it was asked to end, whether or not that reached it: the next one sees to it. */
  askedOnDisk: Listener | undefined
  wasAdopted = false
  /** Of the judge: the turns of the last beat that a supervisor heard, and which one that was. */
  turnsSeen = 0
  seenBy: Listener | undefined
  readonly #machine: Machine
  readonly #random: SeededRandom
  #listener: Listener | undefined
  #rssMb = memoryMb
  #hung = false
  #draining = false

  constructor(machine: Machine, pid: number, identity: string, plan: ProcessPlan) {
    this.#machine = machine
    this.pid = pid
    this.identity = identity
    this.name = plan.name
    this.mode = plan.mode
    this.defect = plan.defect
    this.#random = plan.random
    this.startedMs = machine.clock.monotonicMs()
    this.loopedMs = this.startedMs
    this.#begin()
  }

  get alive(): boolean {
    return this.cause === undefined
  }

  /** Whether its event loop will not turn again. */
  get hangs(): boolean {
    return this.#hung
  }

  check(): void {
    if (!this.alive) throw new SimulatedDeath(`process ${this.pid} is dead`)
  }

  /** What reaches it from outside. */
  signal(name: 'SIGTERM' | 'SIGKILL'): boolean {
    if (!this.alive) return false
    this.signals.push(name)
    if (name === 'SIGKILL') this.end('SIGKILL', null)
    else this.#schedule(1, () => this.#drain())
    return true
  }

  /** It announces that it ends in favour of the next one, and mostly does. */
  handOver(): void {
    this.#schedule(1, () => {
      if (!this.isReady || this.#hung || this.#draining) return
      this.saidHandover = true
      this.#say({ kind: 'handover', withinMs: handoverMs })
      if (this.#random.chance(0.8)) this.#schedule(20, () => this.end('exit', 0))
      else this.#machine.reach('handover:goes on')
    })
  }

  end(cause: Cause, code: number | null): void {
    if (!this.alive) return
    if (code !== null) this.#say({ kind: 'exit', code })
    this.cause = cause
    this.code = code
    this.#machine.ended(this)
  }

  /** Its supervisor is gone: it looks for the next one. */
  lostListener(listener: Listener): void {
    if (this.#listener !== listener) return
    this.#listener = undefined
    this.#schedule(this.#random.int(50, 1_000), () => this.#connect())
  }

  #begin(): void {
    const { clock } = this.#machine
    this.#schedule(this.#random.int(5, 60), () => this.#connect())
    if (this.defect === 'endless-start') {
      if (this.#random.chance(0.5)) this.#schedule(100, () => this.#hang())
      return
    }
    const startMs = this.#random.int(50, 400)
    const crashes = this.defect === 'crash-at-start' || this.defect === 'broken'
    if (this.defect === 'refuses') this.#schedule(startMs, () => this.end('exit', 78))
    else if (crashes) this.#schedule(this.#random.int(1, startMs), () => this.end('exit', 1))
    else this.#schedule(startMs, () => this.#becomeReady(clock.monotonicMs()))
  }

  #becomeReady(nowMs: number): void {
    this.isReady = true
    this.readyMs = nowMs
    this.loopedMs = nowMs
    this.#machine.writePidFile(this)
    this.#say({ kind: 'ready' })
    this.#schedule(beatMs, () => this.#beat())
    const soonMs = this.#random.int(10, 5_000)
    switch (this.defect) {
      case 'crash-later':
      case 'crash-at-work':
        this.#schedule(soonMs, () => this.end('exit', 1))
        break
      case 'hang':
        this.#schedule(soonMs, () => this.#hang())
        break
      case 'quits':
        this.#schedule(soonMs, () => this.end('exit', 0))
        break
      default:
    }
  }

  #beat(): void {
    if (this.#hung) return
    this.loopedMs = this.#machine.clock.monotonicMs()
    const { defect } = this
    const works = this.mode === 'normal' && this.name !== 'hub' && defect !== 'crash-later'
    if (works && (defect === 'crash-at-work' || this.#random.chance(0.2))) this.turns += 1
    if (defect === 'leak') this.#rssMb += 40
    const stalled = defect === 'stall' && this.loopedMs - this.startedMs > 3_000
    this.saidStalled ||= stalled
    this.beatsTooLarge = this.#rssMb > 100 ? this.beatsTooLarge + 1 : 0
    const { turns, mode } = this
    const beat: Beat = { kind: 'beat', turnsDone: turns, stalled, rssBytes: this.#rssMb, mode }
    this.#say(beat)
    this.#schedule(beatMs, () => this.#beat())
  }

  #hang(): void {
    this.#hung = true
    this.#machine.say(`${this.name} ${this.pid} hangs`)
  }

  #drain(): void {
    if (this.#hung || this.#draining || this.defect === 'deaf') return
    this.#draining = true
    this.#schedule(this.#random.int(1, 800), () => this.end('drained', 0))
  }

  #connect(): void {
    if (this.#hung || this.#listener !== undefined) return
    const { link } = this.#machine
    if (link === undefined) {
      this.#schedule(this.#random.int(50, 1_000), () => this.#connect())
      return
    }
    this.#listener = link
    link.hello(this)
    if (this.isReady) this.#say({ kind: 'ready' })
  }

  #say(word: ProcessWord): void {
    this.#listener?.hear(this, word)
  }

  #schedule(delayMs: number, run: () => void): void {
    this.#machine.clock.schedule(delayMs, run, this)
  }
}
