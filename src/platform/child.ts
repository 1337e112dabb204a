import type { Json } from '../json.ts'

export interface ChildCommand {
  readonly file: string
  readonly arguments: readonly string[]
  /** Added to the parent's environment. */
  readonly environment?: Readonly<Record<string, string>>
  /** Default: that of the parent. */
  readonly workingFolder?: string
  /** What it is known as, where it has to say so itself because it may outlive its parent. */
  readonly name?: string
  /** Where its output goes, where nobody takes it line by line. */
  readonly outputFile?: string
}

/** What a child tells its parent. */
export interface ChildSink {
  /** A message over the channel between the two; whatever the child sent, unchecked. */
  onMessage(message: unknown): void
  /** A line that it wrote, bounded to 8 KiB. */
  onLine(stream: 'stdout' | 'stderr', line: string): void
  /** Called exactly once, also when it could not be started; nothing follows. */
  onExit(exit: ChildExit): void
}

export interface ChildExit {
  /** Null when a signal ended it, and when nobody can tell: an adopted process is nobody's child. */
  readonly code: number | null
  /** The signal that ended it. */
  readonly signal: string | null
  /** Why it could not be started. */
  readonly error?: Error
}

/** A child that was started: signals go to this very process, never to a number that another one may have by then. */
export interface Child {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined
  /** False when it is gone already. */
  signal(name: 'SIGTERM' | 'SIGKILL'): boolean
  send(message: Json): void
  /**
   * What can be seen of it from outside before it is killed for not answering (state, wait channel, stack), as text for
   * a person; undefined where there is nothing to see. Takes a second or two at most, and never rejects.
   */
  evidence(): Promise<string | undefined>
}

/** A process that exists already, told from every other that had or will have its number. */
export interface AdoptedProcess {
  readonly pid: number
  /** As the process table knows it. */
  readonly identity: string
}

export interface Spawner {
  /** Starts a child with a message channel and no standard input. It notices when its parent is gone. */
  spawn(command: ChildCommand, sink: ChildSink): Child
  /**
   * Takes over a process that another supervisor started: its messages and its end come to `sink` as those of a child do.
   * Undefined when it is not there any more. Left out where children end with their parent, so that there is none.
   */
  adopt?(process: AdoptedProcess, sink: ChildSink): Child | undefined
}
