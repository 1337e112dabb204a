import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { errorCodes, PerduraError, toError } from '../../errors.ts'
import type { ChildExit } from '../../platform/child.ts'
import { createNodeSpawner } from '../../platform/node/child.ts'
import { createNodeClock } from '../../platform/node/clock.ts'
import { createNodeRandom } from '../../platform/node/random.ts'
import { doNotRestartExitCode, SupervisedChild, type ChildState } from '../../supervisor/child.ts'
import type { Call } from '../call.ts'
import { resolveTarget, type Target } from '../definition.ts'
import { LiveModel } from '../live-model.ts'
import { isProcessMessage, type Activity } from '../process-messages.ts'
import { SupervisorRecord } from '../supervisor-record.ts'
import { LinePresenter, ScreenPresenter, type Presenter } from '../presenters.ts'

/**
 * On a machine with much memory V8 lets the space for young objects grow to 3 × 64 MB and keeps it, which a busy agent
 * then holds for ever: 219 MB after 15,000 turns, where 12 MB were in use. 4 MB make it collect a little more often.
 */
const youngSpace = '--max-semi-space-size=4'

const program = fileURLToPath(new URL('../../../bin/perdura.mjs', import.meta.url))

export async function run(call: Call): Promise<number> {
  const target = resolveTarget(call)
  if (call.text('port') !== undefined) call.count('port', 0, 65_535)
  const record = new SupervisorRecord(call)
  // Of a file the agent's name is known only once its process has loaded it.
  if (target.name !== undefined) await record.claim(target.name)
  try {
    return await new Upkeep(call, target, record).run()
  } finally {
    record.release()
  }
}

/** One `up`: keeps the agent's process running and shows how it goes, until somebody says stop. */
class Upkeep {
  readonly #call: Call
  readonly #target: Target
  readonly #record: SupervisorRecord
  readonly #model: LiveModel
  readonly #presenter: Presenter
  readonly #child: SupervisedChild
  readonly #ended = Promise.withResolvers<void>()
  #error: Error | undefined
  #stopping = false
  #killAsked = false

  constructor(call: Call, target: Target, record: SupervisorRecord) {
    this.#call = call
    this.#target = target
    this.#record = record
    this.#model = new LiveModel(target.name ?? titleOf(target))
    this.#presenter =
      process.stdout.isTTY && !call.output.json
        ? new ScreenPresenter(call, this.#model, { kill: () => this.#kill(), stop: () => this.#stop('q') })
        : new LinePresenter(call, this.#model)
    this.#child = new SupervisedChild({
      command: { file: process.execPath, arguments: [youngSpace, program, ...childArguments(call, target)] },
      spawner: createNodeSpawner(),
      clock: createNodeClock(),
      random: createNodeRandom(),
      isReady: (message) => isProcessMessage(message) && message.type === 'ready',
      sink: {
        onState: (state) => this.#entered(state),
        onMessage: (message) => this.#received(message),
        onLine: (_stream, line) => this.#presenter.childLine(line),
        onExit: (exit) => this.#exited(exit),
      },
    })
  }

  async run(): Promise<number> {
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
    const onSignal = (signal: NodeJS.Signals): void => this.#stop(signal)
    for (const signal of signals) process.on(signal, onSignal)
    this.#call.onBrokenPipe = () => this.#stop('broken pipe')
    this.#presenter.open()
    try {
      this.#child.start()
      await this.#ended.promise
    } finally {
      this.#presenter.close()
      for (const signal of signals) process.off(signal, onSignal)
    }
    const { agent, cameIn, tookEffect, kills, restarts, counters } = this.#model
    if (this.#error !== undefined) throw this.#error
    this.#call.output.document({ agent, cameIn, tookEffect, kills, restarts, counters })
    return 0
  }

  #entered(state: ChildState): void {
    this.#model.entered(state)
    this.#model.restarts = this.#child.restarts
    if (state.name === 'failed') this.#error ??= this.#failure()
    if (state.name === 'stopped' || state.name === 'failed') this.#ended.resolve()
    this.#presenter.changed()
  }

  #received(message: unknown): void {
    if (!isProcessMessage(message)) return
    this.#model.received(message, performance.now(), Date.now())
    switch (message.type) {
      case 'named':
        if (this.#target.name === undefined) void this.#claim(message.name)
        break
      case 'ready':
        this.#presenter.ready(message)
        break
      case 'activity':
        for (const line of message.lines) this.#presenter.happened(line)
        break
      case 'stop':
        this.#stop('asked to')
        break
      case 'failed':
        break
    }
    this.#presenter.changed()
  }

  #exited(exit: ChildExit): void {
    const killed = exit.signal === 'SIGKILL' && !this.#stopping
    const { failure } = this.#model
    // What ends `up` too is told once, as its error.
    const told = failure !== undefined && exit.code !== doNotRestartExitCode
    const reason = told ? `: ${failure.code}: ${failure.message}` : ''
    const text = describeExit(exit, this.#killAsked) + reason
    this.#killAsked = false
    const activity: Activity = { at: Date.now(), kind: 'process', text }
    this.#model.exited(text, killed, performance.now(), activity.at)
    if (!this.#stopping || exit.code !== 0) this.#presenter.happened(activity)
  }

  #kill(): void {
    this.#killAsked = this.#child.kill()
  }

  /** The first time the agent may finish what it is doing; the second time it may not. */
  #stop(reason: string): void {
    if (this.#stopping) {
      this.#child.kill()
      return
    }
    this.#stopping = true
    this.#presenter.stopping(reason)
    this.#child.stop().catch((error: unknown) => {
      this.#error = toError(error)
      this.#ended.resolve()
    })
  }

  async #claim(name: string): Promise<void> {
    try {
      await this.#record.claim(name)
    } catch (error) {
      this.#error = toError(error)
      this.#stop('in use')
    }
  }

  #failure(): Error {
    const { failure } = this.#model
    const code = errorCodes.find((known) => known === failure?.code) ?? 'ERR_INTERNAL'
    return new PerduraError(
      code,
      failure?.message ?? 'the agent process ended and said that starting it again is of no use',
    )
  }
}

/** What stands for the agent until its process has loaded its name. */
function titleOf({ launch }: Target): string {
  return launch.kind === 'file' ? basename(launch.path) : 'Ada'
}

function childArguments(call: Call, target: Target): string[] {
  const port = call.text('port')
  return [
    'run',
    ...(target.launch.kind === 'file' ? [target.launch.path] : []),
    '--home',
    call.home,
    ...(target.name === undefined ? [] : ['--name', target.name]),
    ...(port === undefined ? [] : ['--port', port]),
  ]
}

function describeExit(exit: ChildExit, killAsked: boolean): string {
  if (exit.error !== undefined) return `the process could not be started: ${exit.error.message}`
  if (exit.signal !== null) return `the process was killed (${exit.signal}${killAsked ? ', by you' : ''})`
  return exit.code === 0 ? 'the process ended' : `the process ended with exit code ${exit.code}`
}
