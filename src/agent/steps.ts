import { PerduraError } from '../errors.ts'
import type { Reader, Tx } from '../store/store.ts'

/** Which piece of a turn: the name that the handler gave it, and the how-manieth of that name (from 1). */
export interface Ordinal {
  readonly turn: number
  readonly name: string
  readonly occurrence: number
}

/** Recorded results of steps. */
export interface StepTable {
  record(
    tx: Tx,
    step: Ordinal,
    result: string,
    timing: { readonly now: number; readonly durationMs: number },
  ): void
  /** Results of the turn, by `ordinalKey`. */
  load(reader: Reader, turn: number): Map<string, string>
}

export const stepTable: StepTable = {
  record(tx, { turn, name, occurrence }, result, { now, durationMs }) {
    tx.run(
      'INSERT INTO steps (turn, name, occurrence, result, recorded_at, duration_ms) VALUES (?, ?, ?, ?, ?, ?)',
      turn,
      name,
      occurrence,
      result,
      now,
      durationMs,
    )
  },
  load(reader, turn) {
    const rows = reader.all<{ name: string; occurrence: number; result: string }>(
      'SELECT name, occurrence, result FROM steps WHERE turn = ?',
      turn,
    )
    return new Map(rows.map(({ name, occurrence, result }) => [ordinalKey(name, occurrence), result]))
  },
}

/** `name` for the first occurrence, `name#2` for the second: what people see and type. */
export function ordinalKey(name: string, occurrence: number): string {
  return occurrence === 1 ? name : `${name}#${occurrence}`
}

/** Counts occurrences of names within one run of a handler. */
export class Occurrences {
  readonly #counts = new Map<string, number>()

  next(name: string): number {
    if (typeof name !== 'string' || !/^[^#]{1,200}$/s.test(name) || !name.isWellFormed()) {
      throw new PerduraError(
        'ERR_TURN_CONTENT',
        'the name of a step or an effect has 1 to 200 characters of well-formed Unicode, and no #',
      )
    }
    const occurrence = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, occurrence)
    return occurrence
  }
}

const resultBytesMax = 1_048_576

/**
 * JSON of what is kept, '' for undefined. What JSON has no words for is refused; what it changes (a date becomes text,
 * NaN null) is given back changed from the first time on, not only after a restart.
 */
export function encodeResult(what: string, result: unknown): string {
  if (result === undefined) return ''
  let text: string | undefined
  try {
    text = JSON.stringify(result)
  } catch (cause) {
    throw new PerduraError('ERR_TURN_CONTENT', `${what} cannot be recorded as JSON: it must be plain data`, {
      cause,
    })
  }
  if (text === undefined) {
    throw new PerduraError('ERR_TURN_CONTENT', `${what} is a ${typeof result}: it must be plain data`)
  }
  if (Buffer.byteLength(text) > resultBytesMax) {
    throw new PerduraError(
      'ERR_TURN_CONTENT',
      `${what} is over 1 MiB: keep it elsewhere, and here only where it is`,
    )
  }
  return text
}

export function decodeResult<T>(text: string): T {
  return (text === '' ? undefined : JSON.parse(text)) as T
}
