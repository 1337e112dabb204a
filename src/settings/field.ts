import { parseDuration } from '../duration.ts'
import type { Json } from '../json.ts'

/** One setting: its key in the file, its default, and what it may be. */
export interface Field<Value> {
  /** In snake case, as the file and the reference page have it. */
  readonly key: string
  readonly fallback: Value
  /** What it may be, as an error and the reference page say it: `a duration from 1s to 1h`. */
  readonly takes: string
  /** The default as it is written in the file. */
  readonly written: Json
  /** `null` in the file is undefined here: there is no bound, nobody to tell. */
  readonly nullable?: boolean
  /** The value that was written; undefined where it may not be that. */
  readonly parse: (written: Json) => Value | undefined
}

type WithoutDefault<Value> = Omit<Field<Value>, 'fallback' | 'written'> & Partial<Field<Value>>

/** May be null in the file, which is also the default of a field that has none. */
export function optional<Value>(field: WithoutDefault<Value>): Field<Value | undefined> {
  return {
    ...field,
    takes: `${field.takes}, or null`,
    written: field.written ?? null,
    fallback: field.fallback,
    nullable: true,
  }
}

/** Milliseconds, written as on the command line: `500ms`, `30s`, `5m`. */
export function duration(
  key: string,
  written: string,
  [min, max]: readonly [min: string, max: string],
): Field<number> {
  const [minMs, maxMs] = [parseDuration(min), parseDuration(max)]
  return {
    key,
    fallback: parseDuration(written),
    takes: `a duration from ${min} to ${max}`,
    written,
    parse: (given) => {
      if (typeof given !== 'string') return undefined
      try {
        return within(parseDuration(given), minMs, maxMs)
      } catch {
        return undefined
      }
    },
  }
}

/** Bytes, written `512MiB`; a number is bytes. */
export function size(
  key: string,
  written: string,
  [min, max]: readonly [min: string, max: string],
): Field<number> {
  const [minBytes, maxBytes] = [parseSize(min) ?? 0, parseSize(max) ?? Infinity]
  return {
    key,
    fallback: parseSize(written) ?? 0,
    takes: `a size from ${min} to ${max}`,
    written,
    parse: (given) => within(parseSize(given), minBytes, maxBytes),
  }
}

export function count(
  key: string,
  fallback: number,
  [min, max]: readonly [min: number, max: number],
): Field<number> {
  return {
    key,
    fallback,
    takes: `a whole number from ${min} to ${max}`,
    written: fallback,
    parse: (given) => (Number.isSafeInteger(given) ? within(given as number, min, max) : undefined),
  }
}

/** A part of the whole, 0 to 1. */
export function fraction(key: string, fallback: number): Field<number> {
  return {
    key,
    fallback,
    takes: 'a number from 0 to 1',
    written: fallback,
    parse: (given) => (typeof given === 'number' ? within(given, 0, 1) : undefined),
  }
}

export function choice<const Choice extends string>(
  key: string,
  choices: readonly Choice[],
  fallback: NoInfer<Choice>,
): Field<Choice> {
  return {
    key,
    fallback,
    takes: `one of ${choices.map((one) => JSON.stringify(one)).join(', ')}`,
    written: fallback,
    parse: (given) => choices.find((one) => one === given),
  }
}

export function flag(key: string, fallback: boolean): Field<boolean> {
  return {
    key,
    fallback,
    takes: 'true or false',
    written: fallback,
    parse: (given) => (typeof given === 'boolean' ? given : undefined),
  }
}

/** A folder by its whole path. */
export function folder(key: string): Field<string | undefined> {
  return optional({
    key,
    takes: 'the absolute path of a folder',
    parse: (given) =>
      typeof given === 'string' && given.startsWith('/') && !given.includes('\0') ? given : undefined,
  })
}

const argumentsMax = 64

/** A program with its arguments; no shell reads it. */
export function command(key: string): Field<readonly string[] | undefined> {
  return optional({
    key,
    takes: 'a program and its arguments as a list of texts, such as ["/usr/local/bin/page-me", "--urgent"]',
    parse: (given) => {
      if (!Array.isArray(given) || given.length === 0 || given.length > argumentsMax) return undefined
      const words = given.filter((word: unknown) => typeof word === 'string' && !word.includes('\0'))
      return words.length === given.length && words[0] !== '' ? (words as string[]) : undefined
    },
  })
}

/** Where something is posted. It may hold a secret, and is never shown. */
export function webAddress(key: string): Field<string | undefined> {
  return optional({
    key,
    takes: 'an address that begins with https://, or with http:// on this machine',
    parse: (given) => {
      if (typeof given !== 'string' || given.length > 2_048 || !URL.canParse(given)) return undefined
      const { protocol, hostname, username, password } = new URL(given)
      const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
      const isSafe = protocol === 'https:' || (protocol === 'http:' && isLocal)
      return isSafe && username === '' && password === '' ? given : undefined
    },
  })
}

const unitsBytes: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }

/** Bytes of `512MiB`; undefined for what is no size. */
export function parseSize(written: Json): number | undefined {
  if (typeof written === 'number') return Number.isSafeInteger(written) ? written : undefined
  if (typeof written !== 'string') return undefined
  const match = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB)$/.exec(written.trim())
  if (match === null) return undefined
  return Math.round(Number(match[1]) * (unitsBytes[match[2] ?? ''] ?? NaN))
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined
}

/** What was written, for an error; never more than a line. */
export function excerpt(written: Json): string {
  const text = JSON.stringify(written)
  return text.length > 60 ? `${text.slice(0, 59)}…` : text
}
