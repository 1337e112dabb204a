import { spawn, type ChildProcess } from 'node:child_process'
import { programArguments, programEnvironment } from '../../src/cli/own-program.ts'
import type { ProcessMessage } from '../../src/cli/process-messages.ts'

export interface AgentProcessOptions {
  /** What `perdura run` takes: a file, or the name of an agent. */
  readonly target: string
  readonly home: string
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Further options of `perdura run`. */
  readonly more?: readonly string[]
  /** Options of Node and variables that a supervisor would give it are left out. */
  readonly plain?: boolean
  /** Whatever the process tells over its message channel. */
  readonly onMessage?: (message: unknown) => void
}

/** What a process says when it is ready. */
export type ReadyMessage = Extract<ProcessMessage, { type: 'ready' }>

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null
  readonly signal: string | null
  /** The last of what it wrote to standard error. */
  readonly complaint: string
}

/**
 * One real agent process, `perdura run`, as a supervisor starts it: with a message channel, over which it says when it
 * is ready, and by which it notices that whoever started it is gone.
 */
export class AgentProcess {
  /** `performance.now()` when it was started. */
  readonly startedMs = performance.now()
  readonly #child: ChildProcess
  readonly #ready = Promise.withResolvers<ReadyMessage>()
  readonly #ended = Promise.withResolvers<ProcessEnd>()
  #complaint = ''
  #ingressUrl: string | undefined

  constructor(options: AgentProcessOptions) {
    const { target, home, environment = {}, more = [], plain = false, onMessage } = options
    const command = programArguments('agent', ['run', target, '--port', '0', '--home', home, ...more])
    this.#child = spawn(
      process.execPath,
      command.filter((argument) => !plain || !argument.startsWith('--max-')),
      {
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
        env: { ...process.env, ...(plain ? {} : programEnvironment()), ...environment },
      },
    )
    // Whoever waits for the one learns of the other by its rejection; nobody need wait for both.
    this.#ready.promise.catch(() => undefined)
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-4_000)
    })
    this.#child.on('message', (message: ProcessMessage) => {
      if (message.type === 'ready') {
        this.#ingressUrl = message.ingressUrl
        this.#ready.resolve(message)
      }
      onMessage?.(message)
    })
    this.#child.on('close', (code, signal) => {
      this.#ingressUrl = undefined
      this.#ended.resolve({ code, signal, complaint: this.#complaint })
      this.#ready.reject(
        new Error(`the agent process ended (${code ?? signal}) before it was ready: ${this.#complaint}`),
      )
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Where messages are posted to; undefined while it is not ready. */
  get ingressUrl(): string | undefined {
    return this.#ingressUrl
  }

  /** Rejects if it ends before. */
  get ready(): Promise<ReadyMessage> {
    return this.#ready.promise
  }

  /** Resolves when it has ended and nothing of its output is left. */
  get ended(): Promise<ProcessEnd> {
    return this.#ended.promise
  }

  /** False if it was gone already. */
  kill(): boolean {
    return this.#child.kill('SIGKILL')
  }

  /** Asks it to stop, and waits for it. */
  async stop(): Promise<ProcessEnd> {
    this.#child.kill('SIGTERM')
    return this.#ended.promise
  }
}
