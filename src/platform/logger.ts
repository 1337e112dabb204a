import type { Clock } from './clock.ts'
import { formatLogLine } from './log-line.ts'
import type { Log, LogFields, LogLevel } from './log.ts'

/** Where lines go; it never throws, since no log is worth the agent. */
export interface LogSink {
  /** One line of JSON with its line break, 16 KiB at most. */
  write(line: string): void
}

export interface LogOptions {
  readonly clock: Pick<Clock, 'now'>
  readonly sinks: readonly LogSink[]
  /** Lines below it are left out. Default `info`. */
  readonly level?: LogLevel
  /** Secrets that are to be taken out besides what looks like one. */
  readonly secrets?: readonly string[]
}

const severities: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 }

export function createLog(options: LogOptions): Log {
  const { clock, sinks, level: levelMin = 'info', secrets = [] } = options

  function write(level: LogLevel, event: string, fields: LogFields): void {
    if (severities[level] < severities[levelMin]) return
    const line = formatLogLine({ timeMs: clock.now(), level, event, fields }, secrets)
    for (const sink of sinks) sink.write(line)
  }

  function carrying(carried: LogFields): Log {
    const log = (level: LogLevel) => (event: string, fields?: LogFields) => {
      write(level, event, fields === undefined ? carried : { ...carried, ...fields })
    }
    return {
      debug: log('debug'),
      info: log('info'),
      warn: log('warn'),
      error: log('error'),
      with: (fields) => carrying({ ...carried, ...fields }),
    }
  }

  return carrying({})
}
