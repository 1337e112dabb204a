import { drainMsMax } from '../duration.ts'
import { toError } from '../errors.ts'
import type { Child, ChildExit, ChildSink } from '../platform/child.ts'
import type { Clock } from '../platform/clock.ts'
import type { ProcessFacts } from './child-options.ts'
import type { Beat, ChildWord } from './child-state.ts'
import { shortened, type ChildMode, type EndReason, type EndRecord } from './exits.ts'
import type { LivenessWatch } from './liveness.ts'
import type { SupervisorParts } from './parts.ts'
import type { ChildPolicy } from './policy.ts'

/** Beats in a row above the limit of memory: a single one may come just before a collection of garbage. */
const beatsTooLargeMax = 3
const startTimeoutFactorMax = 8
/** An adopted process looks for its new supervisor once a second; on a machine that does much else it gets more, ms. */
const findMs = 10_000
/** Nobody is believed to be busy for longer, ms. */
const excuseMsMax = 600_000

/** Ends that no SIGTERM brings about: whoever is still there some time after has not been told to end. */
export const lapsing: ReadonlySet<EndReason> = new Set(['handover', 'kill-asked', 'hung', 'start-timeout'])

export interface RunOptions {
  readonly mode: ChildMode
  /** Wall-clock ms. */
  readonly startedAt: number
  /** It was there before its supervisor. */
  readonly adopted: boolean
  readonly ready: boolean
  readonly clock: Pick<Clock, 'now' | 'monotonicMs' | 'setTimer'>
  readonly createWatch: SupervisorParts['createWatch']
  /** Called once a second from `watch()` to `end()`. */
  readonly onLook: () => void
}

/** One process of a child, from the attempt to start it to its end: what was heard of it, and what that means. */
export class Run {
  /** What it was started in, as far as its supervisor knows; from its first beat on, what it says itself. */
  mode: ChildMode
  readonly adopted: boolean
  readonly startedAt: number
  child: Child | undefined
  ready: boolean
  /** Why its end comes, where that was asked for. */
  asked: EndReason | undefined
  /** SIGKILL was sent: what it still says comes too late. */
  killed = false
  /** What is wrong with it: in its own words, or as it was seen from outside. */
  said: string | undefined
  readonly #clock: RunOptions['clock']
  readonly #startedMs: number
  readonly #watch: LivenessWatch
  #heard = false
  #beaten = false
  /** Of an adopted one it is not known how many turns it had done. */
  #turnsDone: number | undefined
  #beatsTooLarge = 0
  /** When it was last found to run, on its watch, ms. */
  #runsSinceMs = 0
  /** Until when it is believed to end by itself, on its watch, ms. */
  #endsUntilMs = 0

  constructor({ mode, startedAt, adopted, ready, clock, createWatch, onLook }: RunOptions) {
    this.mode = mode
    this.startedAt = startedAt
    this.adopted = adopted
    this.ready = ready
    this.#clock = clock
    this.#startedMs = clock.monotonicMs() - Math.max(0, clock.now() - startedAt)
    this.#watch = createWatch(clock, onLook)
    this.#turnsDone = adopted ? undefined : 0
  }

  /** One that was adopted may have been started by a supervisor that could not write down how. */
  get isModeSure(): boolean {
    return !this.adopted || this.#beaten
  }

  get pid(): number | undefined {
    return this.child?.pid
  }

  get facts(): ProcessFacts {
    const { asked, mode, pid, ready, startedAt } = this
    return { pid, mode, ready, asked, startedAt }
  }

  /** How long it has been there, ms. */
  get ageMs(): number {
    return Math.round(this.#clock.monotonicMs() - this.#startedMs)
  }

  /** How long this supervisor has watched it, ms. */
  get watchedMs(): number {
    return this.#watch.ranMs
  }

  /** How long it has been running while this supervisor watched, ms. */
  get runningMs(): number {
    return this.#watch.ranMs - this.#runsSinceMs
  }

  /** What becomes of it in the history. */
  endRecord({ code, signal, error }: ChildExit, reason: EndReason): EndRecord {
    const { ageMs: livedMs, mode, pid = null } = this
    const said = this.said ?? error?.message
    const at = this.#clock.now()
    return { at, reason, code, signal, pid, livedMs, mode, said: said === undefined ? null : shortened(said) }
  }

  /**
   * Makes the process, or finds it; `child` stays undefined where there is none. Returns its end where that has come
   * already, as it does for a program that cannot be started; after that `sink` is told.
   */
  connect(make: (sink: ChildSink) => Child | undefined, sink: ChildSink): ChildExit | undefined {
    let connected = false
    let early: ChildExit | undefined
    try {
      this.child = make({
        ...sink,
        onExit: (exit) => {
          if (connected) sink.onExit(exit)
          else early ??= exit
        },
      })
    } catch (thrown) {
      early ??= { code: null, signal: null, error: toError(thrown) }
    }
    connected = true
    return early
  }

  watch(): void {
    this.#watch.begin()
  }

  end(): void {
    this.#watch.end()
  }

  /** What was seen of it from outside; returns that. */
  note(seen: string): string {
    this.said = seen
    return seen
  }

  beganToRun(): void {
    this.#runsSinceMs = this.#watch.ranMs
    // Whatever was seen of it, it was well.
    this.said = undefined
  }

  /**
   * Whether it has announced its end and then gone on, so that its next end is an end like any other; or was to be killed by
   * a supervisor that died just before.
   */
  lapse({ stopMs }: Pick<ChildPolicy, 'stopMs'>): boolean {
    const isAwaited = this.asked !== undefined && lapsing.has(this.asked)
    if (!isAwaited || this.#watch.ranMs < this.#endsUntilMs + stopMs) return false
    this.asked = undefined
    return true
  }

  /** Something was heard of it; what that was, where it means something. */
  hear(word: ChildWord | undefined): void {
    this.#heard = true
    this.#watch.heard()
    // Nothing will be heard of it for so long; what is heard before ends that.
    if (word?.kind === 'busy') this.#watch.excuse(bounded(word.forMs, excuseMsMax))
    if (word?.kind === 'handover') this.#endsUntilMs = this.#watch.ranMs + bounded(word.withinMs, drainMsMax)
    if (word?.kind === 'failed') this.said = word.text
  }

  /** Returns whether something was done since the last one, and what is wrong with it by its own word. */
  beat(beat: Beat, policy: ChildPolicy): { progress: boolean; trouble: 'memory' | 'stalled' | undefined } {
    this.#beaten = true
    this.mode = beat.mode ?? this.mode
    const progress = this.#turnsDone !== undefined && beat.turnsDone > this.#turnsDone
    this.#turnsDone = beat.turnsDone
    const tooLarge = policy.memoryMaxBytes !== undefined && beat.rssBytes > policy.memoryMaxBytes
    this.#beatsTooLarge = tooLarge ? this.#beatsTooLarge + 1 : 0
    if (this.#beatsTooLarge >= beatsTooLargeMax) return { progress, trouble: 'memory' }
    return { progress, trouble: beat.stalled && this.mode === 'normal' ? 'stalled' : undefined }
  }

  /**
   * Whether it should have been heard of by now. A start that takes too long gets more time at the next try, as often as
   * `startTimeouts` says: one that needs a minute and a half would never get anywhere else.
   */
  overdue(policy: ChildPolicy, beats: boolean, startTimeouts: number): 'hung' | 'start-timeout' | undefined {
    const { hangMs, startMs } = policy
    if (!this.ready) {
      const deadlineMs = startMs * Math.min(startTimeoutFactorMax, 2 ** startTimeouts)
      return this.#watch.ranMs >= deadlineMs ? 'start-timeout' : undefined
    }
    if (!beats && !this.#beaten) return undefined
    // An adopted one has first to find its new supervisor.
    const patienceMs = this.adopted && !this.#heard ? hangMs + findMs : hangMs
    return this.#watch.silentMs >= patienceMs ? 'hung' : undefined
  }

  kill(): boolean {
    return this.signal('SIGKILL')
  }

  /** False where it is gone. */
  signal(name: 'SIGTERM' | 'SIGKILL'): boolean {
    if (name === 'SIGKILL') {
      this.killed = true
      this.#endsUntilMs = this.#watch.ranMs
    }
    return this.child?.signal(name) ?? false
  }
}

function bounded(ms: number, maxMs: number): number {
  return Math.min(Math.max(0, ms) || 0, maxMs)
}
