import { toError } from '../errors.ts'
import type { Child, ChildExit, ChildSink } from '../platform/child.ts'
import type { Clock } from '../platform/clock.ts'
import type { ProcessFacts } from './child-options.ts'
import type { Beat } from './child-state.ts'
import type { ChildMode, EndReason } from './exits.ts'
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
  readonly mode: ChildMode
  readonly adopted: boolean
  readonly startedAt: number
  child: Child | undefined
  ready: boolean
  /** Why its end comes, where that was asked for. */
  asked: EndReason | undefined
  /** SIGKILL was sent: what it still says comes too late. */
  killed = false
  readonly #clock: RunOptions['clock']
  readonly #startedMs: number
  readonly #watch: LivenessWatch
  #heard = false
  #beaten = false
  /** Of an adopted one it is not known how many turns it had done. */
  #turnsDone: number | undefined
  #beatsTooLarge = 0

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

  hear(): void {
    this.#heard = true
    this.#watch.heard()
  }

  /** It has said that nothing will be heard of it for so long; what is heard before ends that. */
  excuse(forMs: number): void {
    this.#watch.excuse(Math.min(Math.max(0, forMs) || 0, excuseMsMax))
  }

  /** Returns whether something was done since the last one, and what is wrong with it by its own word. */
  beat(beat: Beat, policy: ChildPolicy): { progress: boolean; trouble: 'memory' | 'stalled' | undefined } {
    this.#beaten = true
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
    this.killed = true
    return this.child?.signal('SIGKILL') ?? false
  }
}
