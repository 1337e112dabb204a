import type { AdoptedProcess, Child, ChildExit, ChildSink } from '../platform/child.ts'
import type { Timer } from '../platform/clock.ts'
import type { ProcessFacts, SupervisedChildOptions } from './child-options.ts'
import type { Beat, ChildState } from './child-state.ts'
import { attributed, type ChildMode, type EndReason } from './exits.ts'
import { ChildHistory } from './history.ts'
import { supervisorParts, type SupervisorParts } from './parts.ts'
import { defaultPolicy, type ChildPolicy } from './policy.ts'
import { lapsing, Run } from './run.ts'

/**
 * Keeps one child process running.
 *
 * `stopped`: there is no process and none is wanted. Entered at the beginning and when a stop is complete; left by
 * `start()`, `resume()` and `adopt()`.
 * `queued`: a start is wanted, and waits for its place among those of the other children, or for the delay that the past
 * demands. Left for `starting` by the timer, for `stopped` by `stop()`.
 * `starting`: a process exists that has not said that it is ready. Left for `running` by its ready message, for
 * `backing-off`, `failed` or `finished` by its end, for `killing` when it takes too long.
 * `running`: the process said that it is ready. Once it was watched for `stableMs`, earlier failures are forgotten. Left by its end as
 * `starting` is; for `killing` when nothing is heard of it for `hangMs`; for `restarting` when it says that nothing
 * advances, holds too much memory, or the time of its safe mode is over.
 * `backing-off`: there is no process, one is wanted, and the time for it has not come. Left for `starting` by the
 * timer and by `restart()`, for `stopped` by `stop()`.
 * `restarting`: a process exists and was asked to end (SIGTERM) in favour of the next one; when it has not by the
 * deadline it is killed. Left by its end as `running` is.
 * `killing`: a process exists that does not answer. What can be seen of it is taken down, then it is killed. Left by its
 * end as `running` is; where it is heard before the kill for `running`, or for `restarting` if somebody has wanted that.
 * `stopping`: as `restarting`, and no next one is wanted. Left for `stopped` by its end, however it ended; for
 * `restarting` by `start()` and `restart()`: of what people say the last word counts.
 * `failed`: the child said that starting it again would change nothing (exit code 78). Left by `start()` and `restart()`.
 * `finished`: it ended, and by its policy that was all. Left as `failed` is.
 * `left`: somebody else will supervise it. Never left.
 *
 * From `starting`, `running`, `restarting` and `killing` a `stop()` leads to `stopping`: it wins over every reason that
 * the supervisor itself has to go on. A child that ends without having been asked to is restarted, unless its policy
 * says otherwise: at once after the first failure, then with growing delays. One that fails too often is started in safe
 * mode until that is over, or, where it has none, at the largest delay until it has been stable.
 */
export class SupervisedChild {
  readonly #options: SupervisedChildOptions
  readonly #parts: SupervisorParts
  readonly #history: ChildHistory
  #policy: ChildPolicy
  #state: ChildState = { name: 'stopped' }
  #run: Run | undefined
  #timer: Timer | undefined
  /** Starts in a row that took too long. */
  #startTimeouts = 0
  #gone = Promise.withResolvers<void>()

  constructor(options: SupervisedChildOptions) {
    this.#options = options
    this.#policy = options.policy ?? defaultPolicy
    this.#parts = { ...supervisorParts, ...options.parts }
    this.#history = new ChildHistory(options.clock, this.#parts, options.past)
  }

  get state(): ChildState {
    return this.#state
  }

  get history(): ChildHistory {
    return this.#history
  }

  /** The process that there is or is about to be. */
  get process(): ProcessFacts | undefined {
    return this.#run?.facts
  }

  /** Holds from the next decision on. */
  setPolicy(policy: ChildPolicy): void {
    this.#policy = policy
  }

  /** Somebody wants it to run. Does nothing while a process exists or is about to. */
  start(): void {
    const { name } = this.#state
    if (name === 'stopped' || name === 'failed' || name === 'finished') {
      this.#history.forgive()
      this.#spawnSoon(false)
    } else if (name === 'stopping') {
      this.#history.forgive()
      this.#expectEnd('restart')
      this.#enter({ name: 'restarting', pid: this.#run?.pid, reason: 'restart' }, 'keep timer')
    }
  }

  /** Whatever it failed at may be mended: it is tried at once, with all its budget, and with its mind. */
  restart(): void {
    this.#history.forgive()
    switch (this.#state.name) {
      case 'starting':
      case 'running':
        this.#askToEnd('restart')
        return
      case 'backing-off':
      case 'queued':
        this.#spawnSoon(true)
        return
      case 'restarting':
      case 'killing':
        this.#expectEnd('restart')
        return
      default:
        this.start()
    }
  }

  /** Resolves when no process is left, or somebody else supervises it. */
  async stop(): Promise<void> {
    switch (this.#state.name) {
      case 'stopped':
      case 'left':
        return
      case 'failed':
      case 'finished':
      case 'queued':
      case 'backing-off':
        this.#enter({ name: 'stopped' })
        return
      case 'stopping':
        break
      case 'restarting':
        // It was asked already, and would take a second time for "at once": its deadline goes on.
        this.#enter({ name: 'stopping', pid: this.#run?.pid }, 'keep timer')
        this.#expectEnd('stop')
        break
      case 'killing':
        this.#enter({ name: 'stopping', pid: this.#run?.pid })
        this.#run?.kill()
        break
      case 'starting':
      case 'running':
        this.#enter({ name: 'stopping', pid: this.#run?.pid })
        this.#signalEnd('stop')
    }
    await this.#gone.promise
  }

  /**
   * Kills the process at once, if there is one. Unless it was stopping it comes back, without delay: whoever asked for
   * this is watching, and it says nothing about the health of the child.
   */
  kill(): boolean {
    return this.#tell('SIGKILL', this.#run?.asked ?? 'kill-asked')
  }

  /**
   * Goes on where an earlier supervisor was: as soon as the past allows, and not at all where it had come to an end.
   * `isRestart`: the start that follows has not been counted yet.
   */
  resume(before: 'failed' | 'finished' | undefined, isRestart: boolean): void {
    if (this.#state.name !== 'stopped') return
    const last = this.#history.ends.at(-1)
    const ended = last !== undefined && last.reason !== 'stop'
    const delayMs = ended ? this.#delayMs(last.reason, false) : 0
    const exit = { code: last?.code ?? null, signal: last?.signal ?? null }
    if (before === undefined) this.#queue(delayMs, () => this.#spawnSoon(isRestart && ended))
    else this.#enter({ name: before, exit, reason: last?.reason ?? 'lost' })
  }

  /**
   * Goes on with a process that another supervisor has started. It is not touched as long as it shows signs of life, for
   * the first of which it has ten seconds more than else. False where it is gone, or one is supervised already.
   */
  adopt(process: AdoptedProcess, known: Omit<ProcessFacts, 'pid'>): boolean {
    if (this.#run !== undefined || this.#state.name === 'left') return false
    const run = this.#newRun({ ...known, adopted: true })
    const exit = this.#connect(run, (sink) => this.#options.spawner.adopt?.(process, sink))
    if (run.child === undefined) return false
    this.#begin(run)
    if (known.ready) this.#enterRunning(run)
    if (known.asked !== undefined) this.#goOnAsking(run, known.asked)
    if (exit !== undefined) this.#end(exit)
    return true
  }

  /** Stops supervising, and leaves the process that there is to whoever comes next. */
  leave(): void {
    this.#run?.end()
    this.#run = undefined
    this.#enter({ name: 'left' })
    this.#gone.resolve()
  }

  /** At once, or when its place has come. */
  #spawnSoon(isRestart: boolean): void {
    const { spacing } = this.#options
    this.#queue(spacing?.reserve() ?? 0, () => {
      if (spacing?.take() === false) this.#spawnSoon(isRestart)
      else this.#spawn(isRestart)
    })
  }

  #queue(delayMs: number, run: () => void): void {
    if (delayMs === 0) {
      run()
      return
    }
    this.#enter({ name: 'queued', delayMs })
    this.#setTimer(delayMs, run)
  }

  #spawn(isRestart: boolean): void {
    const { clock, command, sink, spawner } = this.#options
    if (this.#history.safeMode.isOver(clock.monotonicMs())) this.#history.safeMode.leave()
    if (isRestart) this.#history.restarted()
    const mode = this.#history.safeMode.isOn ? 'safe' : 'normal'
    const run = this.#newRun({ mode, startedAt: clock.now(), adopted: false, ready: false })
    // Known to the next supervisor before it exists: then that one looks for it, and does not start another one.
    this.#run = run
    sink.onFacts?.()
    const exit = this.#connect(run, (childSink) => spawner.spawn(command(mode), childSink))
    this.#begin(run)
    if (exit !== undefined) this.#end(exit)
  }

  #newRun(known: { mode: ChildMode; startedAt: number; adopted: boolean; ready: boolean }): Run {
    const { createWatch } = this.#parts
    return new Run({ ...known, clock: this.#options.clock, createWatch, onLook: () => this.#look() })
  }

  /** Returns its end where that has come already. */
  #connect(run: Run, make: (sink: ChildSink) => Child | undefined): ChildExit | undefined {
    const { sink } = this.#options
    return run.connect(make, {
      onMessage: (message) => {
        if (this.#run !== run) return
        this.#hear(run, message)
        sink.onMessage(message)
      },
      onLine: (stream, line) => sink.onLine(stream, line),
      onExit: (exit) => {
        if (this.#run === run) this.#end(exit)
      },
    })
  }

  #begin(run: Run): void {
    this.#run = run
    this.#gone = Promise.withResolvers()
    run.watch()
    this.#enter({ name: 'starting', pid: run.pid, mode: run.mode, adopted: run.adopted })
    this.#options.sink.onFacts?.()
  }

  #hear(run: Run, message: unknown): void {
    const word = this.#options.understand(message)
    run.hear(word)
    if (word?.kind === 'ready') this.#becomeReady(run)
    // It has answered after all, and can be asked for what somebody wanted of it meanwhile.
    if (run.ready && !run.killed && this.#is('killing'))
      if (run.asked === 'restart') this.#askToEnd('restart')
      else this.#enterRunning(run)
    if (word?.kind === 'beat') this.#beat(run, word)
    if (word?.kind === 'handover') this.#expectEnd(run.asked ?? 'handover')
  }

  #becomeReady(run: Run): void {
    if (run.ready) return
    run.ready = true
    this.#startTimeouts = 0
    if (this.#is('starting')) this.#enterRunning(run)
    this.#options.sink.onFacts?.()
  }

  #enterRunning(run: Run): void {
    this.#enter({ name: 'running', pid: run.pid, mode: run.mode, adopted: run.adopted })
    run.beganToRun()
  }

  #beat(run: Run, beat: Beat): void {
    const { mode } = run
    const { progress, trouble } = run.beat(beat, this.#policy)
    const isNews = progress && this.#history.progressed()
    if (run.mode !== mode && this.#is('running')) this.#enterRunning(run)
    if (isNews || run.mode !== mode) this.#options.sink.onFacts?.()
    if (trouble !== undefined && this.#state.name === 'running') this.#askToEnd(trouble)
  }

  /** Once a second while there is a process. */
  #look(): void {
    const run = this.#run
    const { name } = this.#state
    if (run === undefined || (name !== 'starting' && name !== 'running')) return
    const overdue = run.overdue(this.#policy, this.#options.beats ?? false, this.#startTimeouts)
    if (overdue !== undefined) {
      if (overdue === 'start-timeout') this.#startTimeouts += 1
      this.#takeDown(run, overdue)
      return
    }
    if (name !== 'running') return
    const { safeMode } = this.#history
    const over = !safeMode.isOn || safeMode.isOver(this.#options.clock.monotonicMs())
    const lapsed = run.lapse(this.#policy)
    const stable = run.runningMs >= this.#policy.stableMs && this.#history.becameStable()
    // Whoever needs safe mode again after that has got into another trouble.
    const well = run.mode === 'normal' && run.watchedMs >= this.#policy.windowMs && safeMode.forget()
    if (lapsed || stable || well) this.#options.sink.onFacts?.()
    // Of one that was found there is only a guess until it has said so itself: one with its mind is not to be ended for it.
    if (run.mode === 'safe' && over && run.isModeSure) this.#askToEnd('safe-mode-over')
  }

  #takeDown(run: Run, reason: 'hung' | 'start-timeout'): void {
    this.#enter({ name: 'killing', pid: run.pid, reason })
    this.#timer = this.#parts.lookBeforeKill(this.#options.clock, run.child, {
      onEvidence: (seen) => this.#options.sink.onEvidence?.(reason, run.note(seen)),
      kill: () => void this.#tell('SIGKILL', run.asked === 'restart' ? 'restart' : reason),
    })
  }

  #askToEnd(reason: EndReason): void {
    this.#enter({ name: 'restarting', pid: this.#run?.pid, reason })
    this.#signalEnd(reason)
  }

  /** False where it is gone; why it is sent is on disk before. */
  #tell(signal: 'SIGTERM' | 'SIGKILL', reason: EndReason): boolean {
    const run = this.#run
    const before = run?.asked
    this.#expectEnd(reason)
    const sent = run?.signal(signal) ?? false
    // Where it is gone already it ended by itself, or as it had announced.
    if (run !== undefined && !sent) run.asked = before
    return sent
  }

  #signalEnd(reason: EndReason): void {
    this.#tell('SIGTERM', reason)
    this.#setTimer(this.#policy.stopMs, () => this.#run?.kill(), 'awake')
  }

  /** An earlier supervisor has asked it to end: it is not asked a second time, which would mean "at once". */
  #goOnAsking(run: Run, asked: EndReason): void {
    run.asked = asked === 'stop' ? 'restart' : asked
    if (lapsing.has(asked)) return
    this.#enter({ name: 'restarting', pid: run.pid, reason: run.asked })
    this.#setTimer(this.#policy.stopMs, () => run.kill(), 'awake')
  }

  /** Known to the next supervisor before it happens. */
  #expectEnd(reason: EndReason): void {
    if (this.#run === undefined || this.#run.asked === reason) return
    this.#run.asked = reason
    this.#options.sink.onFacts?.()
  }

  #end(exit: ChildExit): void {
    const run = this.#run
    if (run === undefined) return
    this.#run = undefined
    run.end()
    const reason = attributed(this.#parts.reasonOf(exit), this.#is('stopping') ? 'stop' : run.asked)
    const { hasSafeMode = false, sink } = this.#options
    this.#history.ended(run.endRecord(exit, reason), hasSafeMode, this.#policy)
    sink.onExit(exit, reason)
    if (this.#is('stopping')) this.#enter({ name: 'stopped' })
    else if (reason === 'refused') this.#enter({ name: 'failed', exit, reason })
    else if (!this.#parts.goesOn(reason, this.#policy)) this.#enter({ name: 'finished', exit, reason })
    else this.#backOff(exit, reason, run.ready)
    sink.onFacts?.()
    this.#gone.resolve()
  }

  #backOff(exit: ChildExit, reason: EndReason, wasReady: boolean): void {
    const delayMs = this.#delayMs(reason, wasReady)
    const { crashLooping } = this.#history
    this.#enter({ name: 'backing-off', delayMs, exit, reason, crashLooping })
    this.#setTimer(delayMs, () => this.#spawnSoon(true))
  }

  #delayMs(reason: EndReason, wasReady: boolean): number {
    const end = { reason, wasReady, isFailure: this.#parts.isFailure(reason) }
    return this.#parts.nextStartDelayMs(end, this.#history, this.#policy, this.#options.random)
  }

  #is(name: ChildState['name']): boolean {
    return this.#state.name === name
  }

  /** The one place where the state changes; a timer belongs to the state that set it, unless the next one goes on with it. */
  #enter(state: ChildState, timer: 'new timer' | 'keep timer' = 'new timer'): void {
    if (timer === 'new timer') {
      this.#timer?.cancel()
      this.#timer = undefined
    }
    this.#state = state
    this.#options.sink.onState(state)
  }

  /** `awake`: for whoever decides on silence. */
  #setTimer(delayMs: number, fire: () => void, time: 'all time' | 'awake' = 'all time'): void {
    const { clock } = this.#options
    this.#timer?.cancel()
    this.#timer =
      time === 'awake' ? this.#parts.setAwakeTimer(clock, delayMs, fire) : clock.setTimer(delayMs, fire)
  }
}
