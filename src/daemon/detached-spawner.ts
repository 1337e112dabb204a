import { devNull } from 'node:os'
import type { AdoptedProcess, Child, ChildExit, ChildSink, Spawner } from '../platform/child.ts'
import { adoptProcess, startDetached, type DetachedProcess } from '../platform/node/detached-process.ts'
import { outputOf } from '../platform/node/output-file.ts'
import { describeProcessState, inspectableFlags, readPausedStack } from '../platform/node/paused-stack.ts'
import { isAlive, type ProcessTable } from '../platform/process-table.ts'
import type { Link, LinkEnd } from './link.ts'
import { linkVariables, readLastWord } from './link-protocol.ts'

export interface DetachedSpawnerOptions {
  readonly link: Link
  readonly linkSocket: string
  readonly processes: ProcessTable
}

/** Until a process that is killed for not answering has said where it is, ms: inside the time that it is given for that. */
const evidenceTimeoutMs = 1_500

/** Of a process that has ended, its connection has ended as well, and is read to its end: it takes no longer, ms. */
const lastWordsMs = 500

/** What a service manager says to the daemon alone. */
const managersVariables = [
  'NOTIFY_SOCKET',
  'WATCHDOG_PID',
  'WATCHDOG_USEC',
  'LISTEN_FDS',
  'LISTEN_PID',
  'LISTEN_FDNAMES',
] as const

/**
 * Starts processes so that they outlive their daemon, and takes over those that a daemon before started. They speak over the
 * link; their ends are noticed as a parent does, or by the process table.
 */
export function createDetachedSpawner(options: DetachedSpawnerOptions): Spawner {
  return {
    spawn(command, sink) {
      const environment: Record<string, string | undefined> = { ...process.env, ...command.environment }
      for (const name of managersVariables) delete environment[name]
      const linked = new LinkedChild(options, sink)
      linked.begin(
        startDetached(
          {
            file: command.file,
            arguments: [...inspectableFlags, ...command.arguments],
            workingFolder: command.workingFolder ?? process.cwd(),
            environment: {
              ...environment,
              [linkVariables.socket]: options.linkSocket,
              [linkVariables.child]: command.name ?? '',
            },
            outputFile: command.outputFile ?? devNull,
          },
          (exit) => linked.exited(exit),
        ),
      )
      return linked
    },
    adopt(process, sink) {
      if (!isAlive(options.processes, process)) return undefined
      const linked = new LinkedChild(options, sink)
      const adopted = adoptProcess(process, options.processes, (exit) => linked.exited(exit))
      linked.begin(adopted, process)
      return linked
    },
  }
}

class LinkedChild implements Child {
  readonly #options: DetachedSpawnerOptions
  readonly #sink: ChildSink
  #process: DetachedProcess | undefined
  #end: LinkEnd | undefined
  #lastWord: number | undefined
  /** Tells of its end; set while its connection is still being read. */
  #tell: (() => void) | undefined

  constructor(options: DetachedSpawnerOptions, sink: ChildSink) {
    this.#options = options
    this.#sink = sink
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  begin(process: DetachedProcess, known?: AdoptedProcess): void {
    this.#process = process
    const { link, processes } = this.#options
    const { pid } = process
    const identity = known?.identity ?? (pid === undefined ? undefined : processes.identify(pid))
    // Where it is gone already, its parent is told in a moment.
    if (pid === undefined || identity === undefined) return
    this.#end = link.attach(
      { pid, identity },
      {
        onMessage: (message) => {
          const lastWord = readLastWord(message)
          if (lastWord === undefined) this.#sink.onMessage(message)
          else this.#lastWord = lastWord.code
        },
        onLost: () => {
          if (this.#tell === undefined) process.look()
          else this.#tell()
        },
      },
    )
  }

  /** Why it has ended is the last that it said, and may be read after the system has told of its end. */
  exited(exit: ChildExit): void {
    if (this.#end?.isConnected !== true) {
      this.#ended(exit)
      return
    }
    const late = setTimeout(() => this.#tell?.(), lastWordsMs)
    this.#tell = () => {
      clearTimeout(late)
      this.#tell = undefined
      this.#ended(exit)
    }
  }

  #ended(exit: ChildExit): void {
    this.#end?.detach()
    const unknown = exit.code === null && exit.signal === null && exit.error === undefined
    this.#sink.onExit(unknown ? { ...exit, code: this.#lastWord ?? null } : exit)
  }

  signal(name: 'SIGTERM' | 'SIGKILL'): boolean {
    return this.#process?.signal(name) ?? false
  }

  send(message: unknown): void {
    this.#end?.send(message)
  }

  async evidence(): Promise<string | undefined> {
    const process = this.#process
    if (process?.pid === undefined) return undefined
    const state = describeProcessState(process.pid)
    if (state?.startsWith('stopped') === true) return `the process was ${state}`
    const output = outputOf(process.pid)
    const frames =
      output === undefined ? undefined : await readPausedStack(process, output, evidenceTimeoutMs)
    if (frames !== undefined && frames.length > 0)
      return `the process was ${state ?? 'busy'}, in ${frames.join(' ← ')}`
    return state === undefined ? undefined : `the process was ${state}, and did not say where`
  }
}
