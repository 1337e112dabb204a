import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Call } from '../call.ts'
import { requireAgent } from '../look.ts'
import { formatTime, oneLine, type Output, type Style } from '../output.ts'

const levels = ['debug', 'info', 'warn', 'error'] as const
type Level = (typeof levels)[number]

const styles = { debug: 'dim', info: 'cyan', warn: 'yellow', error: 'red' } as const satisfies Record<
  Level,
  Style
>
const pollMs = 200

interface LogEntry {
  readonly time?: string
  readonly level?: string
  readonly event?: string
  readonly [field: string]: unknown
}

export async function run(call: Call): Promise<undefined> {
  const count = call.count('lines', 50, 1_000_000)
  const least = levels.indexOf(call.choice('level', levels) ?? 'debug')
  const follow = call.flag('follow')
  const wanted = (entry: LogEntry): boolean => levels.indexOf((entry.level ?? 'info') as Level) >= least

  const tail = new LogTail(requireAgent(call, call.argument(0)).log)
  const entries = parseLines(tail.history()).filter(wanted)
  const shown = count === 0 ? [] : entries.slice(-count)
  if (entries.length === 0 && !follow) call.output.note('the log is empty')
  if (!follow) {
    for (const entry of shown) call.output.line(format(call.output, entry))
    call.output.document({ agent: call.argument(0), lines: shown })
    return
  }
  const print = (entry: LogEntry): void => {
    call.output.record(entry)
    call.output.line(format(call.output, entry))
  }
  for (const entry of shown) print(entry)
  for (;;) {
    await delay(pollMs)
    for (const entry of parseLines(tail.more()).filter(wanted)) print(entry)
  }
}

/** The end of a log that is written, and now and then rotated (`agent.log` becomes `agent.log.1`), by another process. */
class LogTail {
  readonly #path: string
  #offset = 0
  #inode = 0
  #rest = ''

  constructor(path: string) {
    this.#path = path
  }

  /** What there is now, the file before included. */
  history(): string[] {
    const before = existsSync(`${this.#path}.1`) ? readFileSync(`${this.#path}.1`, 'utf8').split('\n') : []
    return [...before, ...this.more()]
  }

  /** Whole lines that came since the last call. */
  more(): string[] {
    // Between a rotation and the next line there is no file.
    const facts = statSync(this.#path, { throwIfNoEntry: false })
    if (facts === undefined) return []
    const { ino, size } = facts
    if (ino !== this.#inode || size < this.#offset) {
      this.#inode = ino
      this.#offset = 0
      this.#rest = ''
    }
    if (size === this.#offset) return []
    const bytes = Buffer.alloc(size - this.#offset)
    const file = openSync(this.#path, 'r')
    try {
      this.#offset += readSync(file, bytes, 0, bytes.length, this.#offset)
    } finally {
      closeSync(file)
    }
    const lines = (this.#rest + bytes.toString('utf8')).split('\n')
    this.#rest = lines.pop() ?? ''
    return lines
  }
}

function parseLines(lines: readonly string[]): LogEntry[] {
  return lines.flatMap((line) => {
    if (line === '') return []
    try {
      return [JSON.parse(line) as LogEntry]
    } catch {
      // A line that a killed process did not finish.
      return [{ event: line }]
    }
  })
}

function format(output: Output, entry: LogEntry): string {
  const { time, level = 'info', event = '', ...fields } = entry
  const at = time === undefined ? '' : formatTime(Date.parse(time), Date.now())
  const style = styles[level as Level] ?? 'dim'
  const rest = Object.entries(fields).map(
    ([key, value]) => `${output.paint('dim', `${key}=`)}${formatValue(value)}`,
  )
  return oneLineKeepingColours(
    [output.paint('dim', at), output.paint(style, level.padEnd(5)), event, ...rest].join(' '),
  )
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') return oneLine(/[\s"=]/.test(value) ? JSON.stringify(value) : value)
  if (
    typeof value === 'object' &&
    value !== null &&
    'message' in value &&
    typeof value.message === 'string'
  ) {
    const code = 'code' in value && typeof value.code === 'string' ? `${value.code}: ` : ''
    return JSON.stringify(oneLine(code + value.message))
  }
  return oneLine(JSON.stringify(value))
}

function oneLineKeepingColours(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ')
}
