import { formatTime, oneLine, printable, type Output, type Style } from '../output.ts'

export const levels = ['debug', 'info', 'warn', 'error'] as const
type Level = (typeof levels)[number]

/** A line of a log, understood as far as it can be. */
export interface LogEntry {
  /** As it was written. */
  readonly text: string
  /** Undefined of a line that is none of ours: cut off by a kill, or written by something else. */
  readonly fields: Readonly<Record<string, unknown>> | undefined
  /** Its own time, else that of the line before it; -Infinity where there was none. Wall-clock ms. */
  readonly timeMs: number
  /** Never before that of a line before it: the order within a log is that in which it was written. */
  readonly orderMs: number
}

/** Reads the lines of one log in their order. */
export function createEntryReader(): (text: string) => LogEntry {
  let timeMs = -Infinity
  let orderMs = -Infinity
  return (text) => {
    const fields = parse(text)
    const own = typeof fields?.['time'] === 'string' ? Date.parse(fields['time']) : NaN
    if (!Number.isNaN(own)) timeMs = own
    orderMs = Math.max(orderMs, timeMs)
    return { text, fields, timeMs, orderMs }
  }
}

/** Where a part of a log begins with lines that have no time, they are as old as the first that has. */
export function withLeadingTimes(entries: readonly LogEntry[]): LogEntry[] {
  const first = entries.find(({ orderMs }) => orderMs !== -Infinity)?.orderMs ?? -Infinity
  return entries.map((entry) => (entry.orderMs === -Infinity ? { ...entry, orderMs: first } : entry))
}

/** What has no level counts as `info`. */
export function levelOf({ fields }: Pick<LogEntry, 'fields'>): Level {
  return levels.find((level) => level === fields?.['level']) ?? 'info'
}

/** As a document has it: a line that is none of ours as `text`; of several logs with the one that it is from. */
export function documentOf({ text, fields }: LogEntry, log?: string): object {
  const own = fields ?? { text }
  return log === undefined ? own : { log, ...own, ...(own['log'] === undefined ? {} : { log }) }
}

/** As a person reads it; a line that is none of ours as it is, without what would move the cursor. */
export function format(output: Output, { text, fields }: LogEntry, nowMs: number): string {
  if (fields === undefined) return printable(text)
  const { time, level, event = '', ...rest } = fields
  const at = typeof time === 'string' ? formatTime(Date.parse(time), nowMs) : ''
  const named = typeof level === 'string' ? level : 'info'
  const pairs = Object.entries(rest).map(
    ([key, value]) => `${output.paint('dim', `${oneLine(key)}=`)}${formatValue(value)}`,
  )
  return [
    output.paint('dim', at),
    output.paint(styles[named as Level] ?? 'dim', oneLine(named).padEnd(5)),
    oneLine(typeof event === 'string' ? event : JSON.stringify(event)),
    ...pairs,
  ].join(' ')
}

const styles = { debug: 'dim', info: 'cyan', warn: 'yellow', error: 'red' } as const satisfies Record<
  Level,
  Style
>

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    // A line that begins so and is whole JSON is an object.
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') return oneLine(/[\s"=]/.test(value) ? JSON.stringify(value) : value)
  const isError =
    typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string'
  if (!isError) return oneLine(JSON.stringify(value))
  const { code, message } = value as { readonly code?: unknown; readonly message: string }
  return JSON.stringify(oneLine(typeof code === 'string' ? `${code}: ${message}` : message))
}
