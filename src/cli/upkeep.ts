import { errorCodes, PerduraError } from '../errors.ts'
import { exitCodes } from '../exit-codes.ts'
import type { ChildExit } from '../platform/child.ts'
import { createNodeSpawner, type NodeChild } from '../platform/node/child.ts'
import { createNodeClock } from '../platform/node/clock.ts'
import { createNodeRandom } from '../platform/node/random.ts'
import { SupervisedChild } from '../supervisor/child.ts'
import { awaitsMending, type ChildState } from '../supervisor/child-state.ts'
import type { EndReason } from '../supervisor/exits.ts'
import type { ChildPolicy } from '../supervisor/policy.ts'
import { agentChild, hubChild } from './child-name.ts'
import { policyOf, understand } from './child-policy.ts'
import { codeTime } from './code-file.ts'
import { describeEnd } from './describe-end.ts'
import type { HealthFeeds } from './health-feeds.ts'
import { LiveModel } from './live-model.ts'
import type { SettingsSource } from '../settings/settings.ts'
import { programArguments, programEnvironment } from './own-program.ts'
import { isOnline, isProcessMessage, type Activity, type ProcessMessage } from './process-messages.ts'

/** A process that `up` is to keep running. */
export interface UpkeepPlan {
  readonly kind: 'hub' | 'agent'
  /** What stands for it until its process has said its name. */
  readonly title: string
  /** Of `perdura`. */
  readonly arguments: readonly string[]
  /**
   * Besides those, until a process of it has been online at its hub: to take over is meant for once. Two supervisors that
   * did it at each start would take the session from each other for ever.
   */
  readonly untilOnline?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** The file that the agent's code is in; undefined for one without. */
  readonly codeFile?: string | undefined
}

export interface UpkeepSink {
  onMessage(upkeep: Upkeep, message: ProcessMessage): void
  onActivity(upkeep: Upkeep, activity: Activity): void
  onLine(upkeep: Upkeep, line: string): void
  /** Something about it is not as it was. */
  onChange(upkeep: Upkeep): void
  /** There is no process any more, and none is wanted. */
  onEnd(upkeep: Upkeep): void
}

/** Keeps one process of `up` running, and knows how it goes. */
export class Upkeep {
  readonly kind: UpkeepPlan['kind']
  readonly model: LiveModel
  readonly #sink: UpkeepSink
  readonly #child: SupervisedChild
  #policy: ChildPolicy
  readonly #settings: SettingsSource
  readonly #health: HealthFeeds
  readonly #codeFile: string | undefined
  /** When its code had been changed, as of the start of its last process. */
  #codeChanged = 0
  #process: NodeChild | undefined
  /** What the history calls it; undefined until its process has said its name. */
  #title: string | undefined
  /** It is not wanted any more. */
  #stopping = false
  /** It was being started when it was to read its settings again. */
  #reloadDue = false
  #wasReady = false
  #wasOnline = false

  /** `health` takes its history. */
  constructor(plan: UpkeepPlan, settings: SettingsSource, sink: UpkeepSink, health: HealthFeeds) {
    this.kind = plan.kind
    this.model = new LiveModel(plan.title)
    this.#sink = sink
    this.#settings = settings
    this.#codeFile = plan.codeFile
    this.#health = health
    this.#title = plan.kind === 'hub' ? hubChild : undefined
    this.#policy = this.#policyNow()
    const spawner = createNodeSpawner()
    this.#child = new SupervisedChild({
      command: (mode) => ({
        file: process.execPath,
        arguments: programArguments(plan.kind, [
          ...plan.arguments,
          ...(this.#wasOnline ? [] : (plan.untilOnline ?? [])),
          ...(mode === 'safe' ? ['--safe-mode'] : []),
        ]),
        environment: { ...programEnvironment(), ...plan.environment },
      }),
      spawner: {
        spawn: (command, childSink) => (this.#process = spawner.spawn(command, childSink)),
      },
      clock: createNodeClock(),
      random: createNodeRandom(),
      understand,
      beats: true,
      hasSafeMode: plan.kind === 'agent',
      policy: this.#policy,
      sink: {
        onState: (state) => this.#entered(state),
        onMessage: (message) => this.#received(message),
        onLine: (_stream, line) => sink.onLine(this, line),
        onExit: (exit, reason) => this.#exited(exit, reason),
      },
    })
  }

  /** Whether a process of it has ever got so far. */
  get wasReady(): boolean {
    return this.#wasReady
  }

  /** Why starting it again would change nothing; undefined while it goes on, or after a stop. */
  get failure(): PerduraError | undefined {
    if (this.#child.state.name !== 'failed') return undefined
    const { failure } = this.model
    const code = errorCodes.find((known) => known === failure?.code) ?? 'ERR_INTERNAL'
    return new PerduraError(
      code,
      failure?.message ?? 'the process ended and said that starting it again is of no use',
    )
  }

  start(): void {
    this.#child.start()
  }

  kill(): void {
    this.#child.kill()
  }

  /** Resolves when no process of it is left. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#child.stop()
  }

  /** What it failed at may be mended: it is tried at once, with all its budget. */
  retry(): void {
    this.#child.restart()
  }

  /** Whether it waits or has failed, and its code has been changed since it was tried with it; true once for each change. */
  takeMended(): boolean {
    if (this.#codeFile === undefined || this.#stopping) return false
    if (!awaitsMending(this.#child.state, this.#child.history.safeMode.isOn)) return false
    const changed = codeTime(this.#codeFile)
    // A file that is gone is no reason to try; the one that comes in its place is.
    if (changed === 0 || changed === this.#codeChanged) return false
    this.#codeChanged = changed
    return true
  }

  /** Its settings were read again: they hold from the next decision on, and its process reads its own. */
  reload(): void {
    this.#setPolicy()
    this.#reloadDue = this.#child.process?.ready === false
    this.#signal('SIGHUP')
  }

  /** It stops, and does not wait for its turns. */
  hurry(): void {
    this.#signal('SIGQUIT')
  }

  /** One that is being started is left alone: it may not handle signals yet. */
  #signal(name: 'SIGHUP' | 'SIGQUIT'): void {
    if (this.#child.process?.ready === true) this.#process?.signal(name)
  }

  #policyNow(): ChildPolicy {
    const { current } = this.#settings
    return policyOf((this.kind === 'agent' ? current.of(this.model.agent) : current.base).supervision)
  }

  #setPolicy(): void {
    this.#policy = this.#policyNow()
    this.#child.setPolicy(this.#policy)
  }

  /** Nothing of it is waited for any more, whether it was told to stop or not. */
  force(): void {
    void this.stop()
    this.#child.kill()
  }

  #entered(state: ChildState): void {
    // In safe mode it is not read.
    if (state.name === 'starting' && state.mode === 'normal' && this.#codeFile !== undefined)
      this.#codeChanged = codeTime(this.#codeFile)
    // It may have read its settings before they were changed. What is being started reads them itself.
    if (state.name === 'running' && this.#reloadDue) this.#signal('SIGHUP')
    if (state.name === 'running' || state.name === 'starting') this.#reloadDue = false
    if (this.#title !== undefined) this.#health.entered(this.#title, state)
    this.model.entered(state)
    this.model.restarts = this.#child.history.restarts
    this.#wasReady ||= state.name === 'running'
    if (state.name === 'stopped' || state.name === 'failed' || state.name === 'finished')
      this.#sink.onEnd(this)
    this.#sink.onChange(this)
  }

  #received(message: unknown): void {
    if (!isProcessMessage(message)) return
    if (message.type === 'beat') {
      if (this.#title !== undefined) this.#health.heard(this.#title, message)
      return
    }
    this.#wasOnline ||= isOnline(message)
    this.model.received(message, performance.now(), Date.now())
    if (message.type === 'named') this.#named(message.name)
    this.#sink.onMessage(this, message)
    this.#sink.onChange(this)
  }

  /** Of a file the agent's name is known only now, and with it what the settings say about it. */
  #named(name: string): void {
    if (this.kind !== 'agent') return
    if (this.#title === undefined) {
      this.#title = agentChild(name)
      this.#health.entered(this.#title, this.#child.state)
    }
    this.#setPolicy()
  }

  #exited(exit: ChildExit, end: EndReason): void {
    if (this.#title !== undefined) this.#health.exited(this.#title, exit, end)
    const killed = exit.signal === 'SIGKILL' && !this.#stopping
    const { failure } = this.model
    // What ends `up` too is told once, as its error.
    const told = failure !== undefined && exit.code !== exitCodes.doNotRestart
    const reason = told ? `: ${failure.code}: ${failure.message}` : ''
    const text = describeEnd(exit, end, this.#policy) + reason
    const activity: Activity = { at: Date.now(), kind: 'process', text }
    this.model.exited(text, killed, performance.now(), activity.at)
    if (!this.#stopping || exit.code !== 0) this.#sink.onActivity(this, activity)
  }
}
