import type { LogFields, LogLevel } from './log.ts'
import { isSecretKey, redacted, redactStart, redactText } from './redact.ts'

export interface LogLine {
  readonly timeMs: number
  readonly level: LogLevel
  readonly event: string
  readonly fields: LogFields
}

/** Bytes of a line at most, its line break included: whoever follows the log can read with a bounded buffer. */
const logLineBytesMax = 16 * 1024

/**
 * One line of JSON with its line break: time, level, event, then the fields, without secrets and within
 * `logLineBytesMax`. Whatever the fields hold (cycles, getters that throw, a hundred megabytes), it takes bounded
 * time and gives a line; what was left out is marked where it was.
 */
export function formatLogLine(line: LogLine, knownSecrets: readonly string[] = []): string {
  const head = { time: timeOf(line.timeMs), level: line.level, event: redactText(line.event.slice(0, 200)) }
  for (const bounds of boundsFromWideToNarrow) {
    const fields = new Sanitizer(bounds, knownSecrets).object(line.fields, 0)
    const text = `${JSON.stringify({ ...head, ...fields, ...head })}\n`
    if (encoder.encode(text).length <= logLineBytesMax) return text
  }
  return `${JSON.stringify({ ...head, truncated: true })}\n`
}

/** The same fields as a line may have, without secrets, for a document of its own: within `bytesMax`, or nothing of them. */
export function cleanFields(
  fields: Readonly<Record<string, unknown>>,
  knownSecrets: readonly string[],
  bytesMax: number,
): Record<string, unknown> {
  const widest = { textLength: 16_384, entries: 64, depth: 8, values: 512 }
  for (const bounds of [widest, ...boundsFromWideToNarrow]) {
    const clean = new Sanitizer(bounds, knownSecrets).object(fields, 0)
    if (Buffer.byteLength(JSON.stringify(clean)) <= bytesMax) return clean
  }
  return { truncated: true }
}

interface Bounds {
  readonly textLength: number
  readonly entries: number
  readonly depth: number
  /** Values in one line, all levels together. */
  readonly values: number
}

const boundsFromWideToNarrow: readonly Bounds[] = [
  { textLength: 4_096, entries: 64, depth: 6, values: 512 },
  { textLength: 512, entries: 16, depth: 4, values: 64 },
  { textLength: 64, entries: 8, depth: 2, values: 24 },
]

const encoder = new TextEncoder()

function timeOf(timeMs: number): string {
  const date = new Date(timeMs)
  return Number.isNaN(date.getTime()) ? new Date(0).toISOString() : date.toISOString()
}

class Sanitizer {
  readonly #bounds: Bounds
  readonly #secrets: readonly string[]
  readonly #path: object[] = []
  #values = 0

  constructor(bounds: Bounds, secrets: readonly string[]) {
    this.#bounds = bounds
    this.#secrets = secrets
  }

  object(source: object, depth: number): Record<string, unknown> {
    const result: Record<string, unknown> = {}
    let count = 0
    for (const key in source) {
      if (!Object.hasOwn(source, key)) continue
      count += 1
      if (count > this.#bounds.entries || this.#values > this.#bounds.values) {
        result['…'] = 'more left out'
        break
      }
      const value = read(source, key)
      if (value === undefined || typeof value === 'function') continue
      const clean =
        key === 'stack' && typeof value === 'string' ? this.#text(value) : this.#field(key, value, depth)
      define(result, this.#text(key.slice(0, 128)), clean)
    }
    return result
  }

  #field(key: string, value: unknown, depth: number): unknown {
    // A count of tokens is a number; no token is one. A password may be.
    const empty = value === null || value === '' || typeof value === 'boolean'
    if (!empty && isSecretKey(key) && !(typeof value === 'number' && /token/i.test(key))) return redacted
    return this.#value(value, depth + 1)
  }

  #value(value: unknown, depth: number): unknown {
    this.#values += 1
    switch (typeof value) {
      case 'string':
        return this.#text(value)
      case 'number':
        return Number.isFinite(value) ? value : String(value)
      case 'boolean':
        return value
      case 'bigint':
        return this.#text(value > -(10n ** 40n) && value < 10n ** 40n ? value.toString() : '(huge integer)')
      case 'object':
        return value === null ? null : this.#nested(value, depth)
      default:
        return `(${typeof value})`
    }
  }

  #nested(value: object, depth: number): unknown {
    if (this.#path.includes(value)) return '(circular)'
    if (depth > this.#bounds.depth) return '(too deep)'
    this.#path.push(value)
    try {
      if (value instanceof Error) return this.#error(value, depth)
      if (value instanceof Date) return timeOf(value.getTime())
      if (ArrayBuffer.isView(value)) return `(${value.byteLength} bytes)`
      if (Array.isArray(value)) return this.#list(value, depth)
      if (value instanceof Map || value instanceof Set) return `(${value.size} entries)`
      return this.object(value, depth)
    } catch {
      // A proxy that throws whatever it is asked.
      return '(unreadable)'
    } finally {
      this.#path.pop()
    }
  }

  #list(list: readonly unknown[], depth: number): unknown[] {
    const result: unknown[] = []
    for (let index = 0; index < list.length; index += 1) {
      if (index >= this.#bounds.entries || this.#values > this.#bounds.values) {
        result.push(`(${list.length - index} more)`)
        break
      }
      result.push(this.#value(read(list, index), depth + 1))
    }
    return result
  }

  #error(error: Error, depth: number): Record<string, unknown> {
    const result: Record<string, unknown> = {}
    for (const key of ['name', 'code', 'message', 'stack', 'details', 'cause', 'errors']) {
      const value = read(error, key)
      if (value === undefined || typeof value === 'function') continue
      result[key] = this.#value(value, depth + 1)
    }
    return result
  }

  #text(text: string): string {
    const start = redactStart(text, this.#bounds.textLength, this.#secrets)
    return start.isWhole ? start.text : `${start.text}… (${text.length} characters)`
  }
}

function read(source: object, key: string | number): unknown {
  try {
    return Reflect.get(source, key)
  } catch {
    return '(unreadable)'
  }
}

/** `__proto__` as an ordinary key. */
function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true })
}
