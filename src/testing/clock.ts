import type { Clock, Timer } from '../platform/clock.ts'
import { isDeath, strayErrors, watchStrayErrors } from './death.ts'
import { EventQueue, type SimulatedEvent } from './event-queue.ts'
import type { Owner } from './owner.ts'

export interface RunOptions {
  /** Events that may run before it counts as stuck. Default 1,000,000. */
  readonly eventsMax?: number
  /** Virtual milliseconds that may pass before it counts as stuck. Default 30 days. */
  readonly withinMs?: number
}

/** The simulation did not get to where it was to get. */
export class SimulationStuck extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'SimulationStuck'
  }
}

/** An arbitrary start, the same in every run: 2026-01-01T00:00:00Z. */
const startMs = Date.UTC(2026, 0, 1)
const day = 86_400_000

/**
 * Virtual time, and what is to happen in it. Time passes only between events: `run` takes the earliest one, sets the
 * clock to it, runs it, lets every promise that it settled go on, and takes the next. Events of the same time run in
 * the order in which they were scheduled. A month of an idle agent takes as long as its timers.
 *
 * The one real thing used is `setImmediate`, to drain the microtasks; so what is simulated must not wait for
 * anything real (files, sockets, dynamic imports).
 */
export class SimulatedClock {
  readonly #queue = new EventQueue()
  #monotonicMs = 0
  #offsetMs = 0
  #running = false
  readonly #sleeps = new WeakMap<Owner, Sleep>()

  now(): number {
    return startMs + Math.floor(this.#monotonicMs + this.#offsetMs)
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  /** Events that are waiting, cancelled and orphaned ones included. */
  get pending(): number {
    return this.#queue.size
  }

  /** Moves the wall clock, back or forth, as an administrator or NTP does; monotonic time and timers do not notice. */
  jump(ms: number): void {
    this.#offsetMs += ms
  }

  /** Time passes while the event that is running blocks, as on a slow disk; what became due meanwhile runs late. */
  stall(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`time does not pass by ${ms} ms`)
    this.#monotonicMs += ms
  }

  /**
   * The machine of an owner sleeps: for so long nothing of it runs, and then what was due, and what came in, does. Its
   * timers wait on, since its monotonic clock stands still; with `monotonicGoesOn`, as on Windows or in a process that is
   * stopped, they are late. How its connections fare is the network's.
   */
  sleep(owner: Owner, ms: number, options: { readonly monotonicGoesOn?: boolean } = {}): void {
    const { stoodMs = 0, untilMs = 0 } = this.#sleeps.get(owner) ?? {}
    if (untilMs > this.#monotonicMs) throw new Error('it is asleep already')
    this.#sleeps.set(owner, {
      stoodMs: options.monotonicGoesOn === true ? stoodMs : stoodMs + ms,
      untilMs: this.#monotonicMs + ms,
    })
  }

  /** Calls `run` in `delayMs`, unless its owner is dead by then, or, where it is asleep, when it wakes. */
  schedule(delayMs: number, run: () => void, owner?: Owner): Timer {
    return this.#add({ atMs: this.#monotonicMs + delayMs, run, owner, cancelled: false })
  }

  #add(event: SimulatedEvent): Timer {
    const delayMs = event.atMs - this.#monotonicMs
    if (!(delayMs >= 0 && delayMs < Infinity)) throw new RangeError(`a timer of ${delayMs} ms`)
    this.#queue.add(event)
    return {
      cancel: () => {
        event.cancelled = true
      },
    }
  }

  /** Only while it is awake. */
  #ownMs(owner: Owner): number {
    return this.#monotonicMs - (this.#sleeps.get(owner)?.stoodMs ?? 0)
  }

  /** Whether its owner sleeps, or has slept since the timer was set: then it happens later. */
  #putOff(event: SimulatedEvent): boolean {
    const { owner, ownDueMs } = event
    const sleep = owner === undefined ? undefined : this.#sleeps.get(owner)
    if (owner === undefined || sleep === undefined) return false
    const wakeMs = sleep.untilMs - event.atMs
    const restMs = ownDueMs === undefined ? 0 : ownDueMs + sleep.stoodMs - event.atMs
    const laterMs = Math.max(wakeMs, restMs)
    // What is smaller is an error of rounding.
    if (laterMs < 1e-6) return false
    event.atMs += laterMs
    this.#queue.add(event)
    return true
  }

  /** The clock as one process has it. */
  for(owner: Owner): Clock {
    return {
      now: () => {
        owner.check()
        return this.now()
      },
      monotonicMs: () => {
        owner.check()
        return this.#ownMs(owner)
      },
      setTimer: (delayMs, fire) => {
        owner.check()
        const [atMs, ownDueMs] = [this.#monotonicMs + delayMs, this.#ownMs(owner) + delayMs]
        return this.#add({ atMs, run: fire, owner, ownDueMs, cancelled: false })
      },
      defer: (run) => {
        owner.check()
        this.schedule(0, run, owner)
      },
    }
  }

  /** Runs events until `done`; throws SimulationStuck when nothing is left to happen before that. */
  async run(done: () => boolean, options: RunOptions = {}): Promise<void> {
    const endMs = this.#monotonicMs + (options.withinMs ?? 30 * day)
    const end = await this.#drive(done, endMs, options.eventsMax)
    if (end === 'quiet') throw new SimulationStuck(`nothing more will happen, at ${this.#monotonicMs} ms`)
    if (end === 'late') throw new SimulationStuck(`not done after ${options.withinMs ?? 30 * day} ms`)
  }

  /** Runs what happens in the next `ms`. */
  async runFor(ms: number, options: Pick<RunOptions, 'eventsMax'> = {}): Promise<void> {
    const endMs = this.#monotonicMs + ms
    await this.#drive(() => false, endMs, options.eventsMax)
    this.#monotonicMs = Math.max(this.#monotonicMs, endMs)
  }

  /** Runs until nothing is left to happen; not for what keeps a periodic timer. */
  async runUntilQuiet(options: RunOptions = {}): Promise<void> {
    const endMs = this.#monotonicMs + (options.withinMs ?? 30 * day)
    const end = await this.#drive(() => false, endMs, options.eventsMax)
    if (end === 'late') throw new SimulationStuck(`not quiet after ${options.withinMs ?? 30 * day} ms`)
  }

  /** Runs until the promise settles, and gives its result. */
  async settle<T>(promise: Promise<T>, options: RunOptions = {}): Promise<T> {
    let settled = false
    const mark = (): void => {
      settled = true
    }
    promise.then(mark, mark)
    await this.run(() => settled, options)
    return promise
  }

  async #drive(
    done: () => boolean,
    endMs: number,
    eventsMax = 1_000_000,
  ): Promise<'done' | 'quiet' | 'late'> {
    if (this.#running) throw new Error('the clock is being run already')
    this.#running = true
    const unwatch = watchStrayErrors()
    try {
      await drain()
      for (let count = 0; ; count += 1) {
        throwStrayErrors()
        if (done()) return 'done'
        const event = this.#queue.takeUntil(endMs)
        if (event === undefined) return this.#queue.size === 0 ? 'quiet' : 'late'
        if (count >= eventsMax) {
          throw new SimulationStuck(`${eventsMax} events ran without an end, at ${this.#monotonicMs} ms`)
        }
        if (this.#putOff(event)) continue
        this.#monotonicMs = Math.max(this.#monotonicMs, event.atMs)
        try {
          event.run()
        } catch (error) {
          if (!isDeath(error)) throw error
        }
        await drain()
      }
    } finally {
      unwatch()
      this.#running = false
    }
  }
}

interface Sleep {
  /** For how long the monotonic clock of the owner has stood still, over all its sleeps. */
  readonly stoodMs: number
  /** When the last one ends. */
  readonly untilMs: number
}

/** Lets everything go on that can go on without time passing: all promises and `process.nextTick`. */
function drain(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

function throwStrayErrors(): void {
  const errors = strayErrors()
  if (errors.length === 1) throw errors[0]
  if (errors.length > 1) throw new AggregateError(errors, 'several errors that nobody handled')
}
