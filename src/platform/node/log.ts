import type { Log, LogLevel } from '../log.ts'
import { createLog, type LogSink } from '../logger.ts'
import { openLogFile, type LogBounds, type LogFileOptions } from './log-file.ts'
import { standardError } from './standard-error.ts'

export interface NodeLogOptions {
  readonly file?: LogFileOptions
  /** Whether lines also go to standard error. Default: only where there is no file. */
  readonly standardError?: boolean
  /** Lines below it are left out. Default `info`. */
  readonly level?: LogLevel
  /** Where lines go besides. */
  readonly sink?: LogSink
  /** Secrets that are to be taken out besides what looks like one. */
  readonly secrets?: readonly string[]
}

export interface NodeLog extends Log {
  /** Other bounds of the file from now on. */
  bound(bounds: LogBounds): void
  /** Closes the file; later lines are lost to it. */
  close(): void
}

export function createNodeLog(options: NodeLogOptions = {}): NodeLog {
  const file = options.file === undefined ? undefined : openLogFile(options.file)
  const sinks = [file, options.sink].filter((sink) => sink !== undefined)
  const log = createLog({
    clock: { now: () => Date.now() },
    sinks: (options.standardError ?? file === undefined) ? [...sinks, standardError] : sinks,
    ...(options.level !== undefined && { level: options.level }),
    ...(options.secrets !== undefined && { secrets: options.secrets }),
  })
  return { ...log, bound: (bounds) => file?.bound(bounds), close: () => file?.close() }
}
