import assert from 'node:assert/strict'
import type { AdoptedProcess, Child, ChildExit, ChildSink, Spawner } from '../../src/platform/child.ts'
import type { Clock, Timer } from '../../src/platform/clock.ts'
import { SupervisedChild } from '../../src/supervisor/child.ts'
import type { SupervisedChildOptions } from '../../src/supervisor/child-options.ts'
import type { Beat, ChildState, ChildWord } from '../../src/supervisor/child-state.ts'
import type { ChildMode, EndReason } from '../../src/supervisor/exits.ts'
import { defaultPolicy, type ChildPolicy } from '../../src/supervisor/policy.ts'

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  #nowMs = 0
  #offsetMs = 0
  #timers: { readonly dueMs: number; readonly fire: () => void; cancelled: boolean }[] = []

  now(): number {
    return 1_000_000 + this.#nowMs + this.#offsetMs
  }

  /** Somebody sets the wall clock. */
  jump(ms: number): void {
    this.#offsetMs += ms
  }

  /** Time in which whoever has this clock does not run: what became due meanwhile fires late. */
  suspend(ms: number): void {
    this.#nowMs += ms
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, fire, cancelled: false }
    this.#timers.push(timer)
    return {
      cancel: () => {
        timer.cancelled = true
      },
    }
  }

  defer(run: () => void): void {
    this.setTimer(0, run)
  }

  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    for (;;) {
      this.#timers = this.#timers.filter((timer) => !timer.cancelled)
      const next = this.#timers.toSorted((a, b) => a.dueMs - b.dueMs)[0]
      if (next === undefined || next.dueMs > endMs) break
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      next.cancelled = true
      next.fire()
    }
    this.#nowMs = endMs
  }
}

export class FakeChild implements Child {
  readonly pid: number
  readonly signals: string[] = []
  readonly sent: unknown[] = []
  /** What is seen of it from outside: nothing, until the test says so. */
  readonly looks = Promise.withResolvers<string | undefined>()
  readonly #sink: ChildSink
  #gone = false

  constructor(pid: number, sink: ChildSink) {
    this.pid = pid
    this.#sink = sink
  }

  signal(name: 'SIGTERM' | 'SIGKILL'): boolean {
    if (this.#gone) return false
    this.signals.push(name)
    return true
  }

  send(message: unknown): void {
    this.sent.push(message)
  }

  evidence(): Promise<string | undefined> {
    return this.looks.promise
  }

  ready(): void {
    this.#sink.onMessage({ kind: 'ready' })
  }

  beat(beat: Partial<Beat> = {}): void {
    this.#sink.onMessage({ kind: 'beat', turnsDone: 0, stalled: false, rssBytes: 0, ...beat })
  }

  say(word: ChildWord): void {
    this.#sink.onMessage(word)
  }

  /** It is gone, and whoever started it has not been told. */
  vanish(): void {
    this.#gone = true
  }

  exit(exit: Partial<ChildExit>): void {
    this.#gone = true
    this.#sink.onExit({ code: null, signal: null, ...exit })
  }
}

export interface Arrangement {
  readonly supervised: SupervisedChild
  readonly clock: ManualClock
  readonly children: FakeChild[]
  readonly modes: ChildMode[]
  readonly states: ChildState[]
  readonly reasons: EndReason[]
  readonly evidence: string[]
  /** Processes that another supervisor left. */
  readonly orphans: Map<number, AdoptedProcess>
  last(): FakeChild
  /** Time passes, and the last process beats once a second. */
  beatFor(ms: number, beat?: Partial<Beat>): void
}

export interface Wishes extends Partial<SupervisedChildOptions> {
  readonly fraction?: number
  readonly policyChanges?: Partial<ChildPolicy>
}

export function arrange({ fraction = 0.5, policyChanges, ...wishes }: Wishes = {}): Arrangement {
  const clock = new ManualClock()
  const children: FakeChild[] = []
  const states: ChildState[] = []
  const modes: ChildMode[] = []
  const reasons: EndReason[] = []
  const evidence: string[] = []
  const orphans = new Map<number, AdoptedProcess>()
  const spawner: Spawner = {
    spawn(_command, sink) {
      const child = new FakeChild(100 + children.length, sink)
      children.push(child)
      return child
    },
    adopt({ pid, identity }, sink) {
      if (orphans.get(pid)?.identity !== identity) return undefined
      const child = new FakeChild(pid, sink)
      children.push(child)
      return child
    },
  }
  const supervised = new SupervisedChild({
    command: (mode) => {
      modes.push(mode)
      return { file: 'node', arguments: [] }
    },
    spawner,
    clock,
    random: { bytes: () => new Uint8Array(), uuid: () => '', fraction: () => fraction },
    understand: (message) => message as ChildWord,
    sink: {
      onState: (state) => states.push(state),
      onMessage: () => undefined,
      onLine: () => undefined,
      onExit: (_exit, reason) => reasons.push(reason),
      onEvidence: (_reason, text) => evidence.push(text),
    },
    policy: { ...defaultPolicy, ...policyChanges },
    ...wishes,
  })
  const last = (): FakeChild => children.at(-1) ?? assert.fail('no child was started')
  return {
    supervised,
    clock,
    children,
    modes,
    states,
    reasons,
    evidence,
    orphans,
    last,
    beatFor(ms, beat) {
      for (let passed = 0; passed < ms; passed += 1_000) {
        clock.advance(1_000)
        last().beat(beat)
      }
    },
  }
}
