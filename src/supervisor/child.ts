import type { Child, ChildCommand, ChildExit, Spawner } from '../platform/child.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { defaultBackoff, restartDelayMs, type BackoffOptions } from './backoff.ts'

/** EX_CONFIG of sysexits.h, by which a child says that starting it again would change nothing. */
export const doNotRestartExitCode = 78

export type ChildState =
  | { readonly name: 'stopped' }
  | { readonly name: 'starting'; readonly pid: number | undefined }
  | { readonly name: 'running'; readonly pid: number | undefined }
  | { readonly name: 'backing-off'; readonly delayMs: number; readonly exit: ChildExit }
  | { readonly name: 'stopping'; readonly pid: number | undefined }
  | { readonly name: 'failed'; readonly exit: ChildExit }

export interface SupervisedChildOptions {
  /** Asked for each time that a process is started. */
  readonly command: () => ChildCommand
  readonly spawner: Spawner
  readonly clock: Clock
  readonly random: Random
  readonly sink: SupervisedChildSink
  /** Whether a message of the child says that it is ready. */
  readonly isReady: (message: unknown) => boolean
  readonly backoff?: BackoffOptions
  /** Time in `running` after which earlier failures are forgotten, ms. Default 30,000. Too short a time and a child
   *  that dies regularly is never slowed down; too long and an accident a day counts as a series. */
  readonly stableMs?: number
  /** Time that a child has to end by itself after SIGTERM, ms, before SIGKILL. Default 15,000. */
  readonly stopDeadlineMs?: number
}

export interface SupervisedChildSink {
  onState(state: ChildState): void
  onMessage(message: unknown): void
  onLine(stream: 'stdout' | 'stderr', line: string): void
  onExit(exit: ChildExit): void
}

/**
 * Keeps one child process running.
 *
 * `stopped`: there is no process and none is wanted. Entered at the beginning and when a stop is complete; left by
 * `start()`.
 * `starting`: a process exists that has not said that it is ready. Left for `running` by its ready message, for
 * `backing-off` or `failed` by its end, for `stopping` by `stop()`.
 * `running`: the process said that it is ready. After `stableMs` earlier failures are forgotten. Left as `starting` is.
 * `backing-off`: there is no process, one is wanted, and the time for it has not come. Left for `starting` by the
 * timer, for `stopped` by `stop()`.
 * `stopping`: a process exists and was asked to end (SIGTERM); when it has not by the deadline it is killed. Left
 * for `stopped` by its end, however it ended.
 * `failed`: the child said that starting it again would change nothing (exit code 78). Left by `start()` only.
 *
 * A child that ends without having been asked to is restarted, also when it ended well: an agent is to be there.
 */
export class SupervisedChild {
  readonly #options: SupervisedChildOptions
  #state: ChildState = { name: 'stopped' }
  #child: Child | undefined
  #timer: Timer | undefined
  #failures = 0
  #restarts = 0
  /** Its next end was asked for, and says nothing about its health. */
  #endExpected = false
  #stopped = Promise.withResolvers<void>()

  constructor(options: SupervisedChildOptions) {
    this.#options = options
  }

  get state(): ChildState {
    return this.#state
  }

  /** Starts after the first one. */
  get restarts(): number {
    return this.#restarts
  }

  /** Does nothing while a process exists or is about to. */
  start(): void {
    if (this.#state.name !== 'stopped' && this.#state.name !== 'failed') return
    this.#failures = 0
    this.#stopped = Promise.withResolvers()
    this.#spawn()
  }

  /** Resolves when no process is left. */
  async stop(): Promise<void> {
    switch (this.#state.name) {
      case 'stopped':
      case 'failed':
        return
      case 'backing-off':
        this.#enter({ name: 'stopped' })
        return
      case 'stopping':
        break
      case 'starting':
      case 'running':
        this.#enter({ name: 'stopping', pid: this.#child?.pid })
        this.#child?.signal('SIGTERM')
        this.#setTimer(this.#options.stopDeadlineMs ?? 15_000, () => this.#child?.signal('SIGKILL'))
    }
    await this.#stopped.promise
  }

  /**
   * Kills the process at once, if there is one. Unless it was stopping it comes back, without delay: whoever asked for
   * this is watching, and it says nothing about the health of the child.
   */
  kill(): boolean {
    this.#endExpected = this.#child?.signal('SIGKILL') ?? false
    return this.#endExpected
  }

  /** The process is about to end by itself in favour of the next one, which is then started without delay. */
  expectEnd(): void {
    if (this.#child !== undefined) this.#endExpected = true
  }

  #spawn(): void {
    const { spawner, command, sink } = this.#options
    // Where it cannot be started, `onExit` may be called before `spawn` returns.
    let ended = false
    const child = spawner.spawn(command(), {
      onMessage: (message) => {
        if (this.#state.name === 'starting' && this.#options.isReady(message)) this.#becomeReady()
        sink.onMessage(message)
      },
      onLine: (stream, line) => sink.onLine(stream, line),
      onExit: (exit) => {
        ended = true
        this.#child = undefined
        if (
          this.#state.name === 'starting' ||
          this.#state.name === 'running' ||
          this.#state.name === 'stopping'
        ) {
          this.#end(exit)
        } else queueMicrotask(() => this.#end(exit))
      },
    })
    if (!ended) this.#child = child
    this.#enter({ name: 'starting', pid: child.pid })
  }

  #becomeReady(): void {
    this.#enter({ name: 'running', pid: this.#child?.pid })
    this.#setTimer(this.#options.stableMs ?? 30_000, () => {
      this.#failures = 0
    })
  }

  #end(exit: ChildExit): void {
    const expected = this.#endExpected
    this.#endExpected = false
    this.#options.sink.onExit(exit)
    if (this.#state.name === 'stopping') {
      this.#enter({ name: 'stopped' })
      return
    }
    if (exit.code === doNotRestartExitCode) {
      this.#enter({ name: 'failed', exit })
      return
    }
    if (!expected) this.#failures += 1
    const { random, backoff = defaultBackoff } = this.#options
    const delayMs = restartDelayMs(
      expected ? 0 : this.#failures,
      this.#state.name === 'running',
      random,
      backoff,
    )
    this.#enter({ name: 'backing-off', delayMs, exit })
    this.#setTimer(delayMs, () => {
      this.#restarts += 1
      this.#spawn()
    })
  }

  /** The one place where the state changes; a timer belongs to the state that set it. */
  #enter(state: ChildState): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#state = state
    this.#options.sink.onState(state)
    if (state.name === 'stopped' || state.name === 'failed') this.#stopped.resolve()
  }

  #setTimer(delayMs: number, fire: () => void): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.setTimer(delayMs, fire)
  }
}
