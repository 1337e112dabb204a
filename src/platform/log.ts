import type { Json } from '../json.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** What a line may carry besides its event: ids, counts, durations, an error. Secrets are redacted by the writer. */
export type LogFields = Readonly<Record<string, Json | Error | undefined>>

/** Structured log: one JSON object a line, named by an event `noun:verb:phase`. */
export interface Log {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
  /** A log whose every line also carries `fields` (agent, session, turn, step). */
  with(fields: LogFields): Log
}
