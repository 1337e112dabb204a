import type { Log, LogFields, LogLevel } from '../platform/log.ts'
import type { Trace } from './trace.ts'

/** A log into the trace of a simulation. */
export function createSimulatedLog(
  trace: Trace,
  seen: (event: string, fields: LogFields) => void = () => {},
): Log {
  function carrying(carried: LogFields): Log {
    const log =
      (level: LogLevel) =>
      (event: string, fields: LogFields = {}): void => {
        const all = { ...carried, ...fields }
        trace.add(`${level} ${event} ${JSON.stringify(all, showErrors)}`)
        seen(event, all)
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

function showErrors(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value
}
