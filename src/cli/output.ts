import { PerduraError, toError } from '../errors.ts'
import type { Json, JsonObject } from '../json.ts'

export interface OutputOptions {
  readonly json: boolean
  readonly quiet: boolean
  /** Whether standard output, and standard error, is to be coloured. */
  readonly colour: { readonly stdout: boolean; readonly stderr: boolean }
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
}

/** What a command says: data on standard output, everything else on standard error. */
export class Output {
  readonly json: boolean
  readonly #options: OutputOptions

  constructor(options: OutputOptions) {
    this.json = options.json
    this.#options = options
  }

  /** A line of data for a person; nothing with `--json`, where `document` speaks. */
  line(text = ''): void {
    if (!this.json) this.#options.stdout.write(`${text}\n`)
  }

  /** The one document that `--json` prints; nothing otherwise. */
  document(value: unknown): void {
    if (this.json) this.#options.stdout.write(`${JSON.stringify(snakeCase(value))}\n`)
  }

  /** One document of many, as it is: for what has no end. */
  record(value: unknown): void {
    if (this.json) this.#options.stdout.write(`${JSON.stringify(value)}\n`)
  }

  /** A part of the one document, as it is: for what is too long to be held in memory. */
  piece(text: string): void {
    if (this.json) this.#options.stdout.write(text)
  }

  /** Something to know besides the data. */
  note(text: string): void {
    if (!this.#options.quiet) this.#options.stderr.write(`${text}\n`)
  }

  failure(thrown: unknown): void {
    this.complaint(thrown)
    if (this.json) this.#options.stdout.write(`${JSON.stringify(errorDocument(thrown))}\n`)
  }

  /** What went wrong, on standard error alone; `subject` is the one of several that it is about. */
  complaint(thrown: unknown, subject?: string): void {
    const error = toError(thrown)
    const code = error instanceof PerduraError ? error.code : 'ERR_INTERNAL'
    const { stderr, colour } = this.#options
    const about = subject === undefined ? '' : `${printable(subject)}: `
    stderr.write(`perdura: ${about}${paint('red', code, colour.stderr)}: ${error.message}\n`)
    // What was not expected is a bug, and its place is what helps to find it.
    if (!(error instanceof PerduraError) && error.stack !== undefined) {
      stderr.write(`${error.stack.split('\n').slice(1).join('\n')}\n`)
    }
  }

  /** Columns as wide as their widest cell, the last one as it is. */
  table(header: readonly string[], rows: readonly (readonly string[])[]): void {
    if (this.json) return
    const clean = rows.map((row) => row.map(oneLine))
    const widths = header.map((title, column) =>
      Math.max(title.length, ...clean.map((row) => displayWidth(row[column] ?? ''))),
    )
    const format = (cells: readonly string[]): string =>
      cells
        .map((cell, column) =>
          column === cells.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - displayWidth(cell)),
        )
        .join('  ')
        .trimEnd()
    this.line(this.paint('dim', format(header)))
    for (const row of clean) this.line(format(row))
  }

  /** For what goes to standard output. */
  paint(style: Style, text: string): string {
    return paint(style, text, this.#options.colour.stdout)
  }
}

/** An error as a document has it. */
export function errorDocument(thrown: unknown): JsonObject {
  const error = toError(thrown)
  if (!(error instanceof PerduraError)) return { success: false, error: error.message, code: 'ERR_INTERNAL' }
  const { message, code, details } = error
  return { success: false, error: message, code, ...(Object.keys(details).length > 0 ? { details } : {}) }
}

function paint(style: Style, text: string, colour: boolean): string {
  return colour ? `\u001B[${styles[style]}m${text}\u001B[0m` : text
}

export type Style = keyof typeof styles

const styles = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

/** Colours are for terminals that want them: https://no-color.org. */
export function wantsColour(
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
  noColour: boolean,
): boolean {
  const refused = noColour || (environment['NO_COLOR'] ?? '') !== '' || environment['TERM'] === 'dumb'
  return stream.isTTY === true && !refused
}

/** Without what would move the cursor or change the terminal: texts come from other agents and from the network. */
export function printable(text: string): string {
  // oxlint-disable-next-line eslint/no-control-regex -- these are what must go
  return text.replaceAll(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/g, '�')
}

export function oneLine(text: string): string {
  return printable(text.replaceAll(/\s+/g, ' ').trim())
}

export function excerpt(text: string, length: number): string {
  const line = oneLine(text)
  return line.length <= length ? line : `${line.slice(0, length - 1)}…`
}

/** Local time of day today, the date besides on other days. */
export function formatTime(timeMs: number, nowMs: number): string {
  const pad = (value: number): string => String(value).padStart(2, '0')
  const time = new Date(timeMs)
  const clock = `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}`
  if (time.toDateString() === new Date(nowMs).toDateString()) return clock
  return `${time.getFullYear()}-${pad(time.getMonth() + 1)}-${pad(time.getDate())} ${clock}`
}

/** Fields that hold what a user stored: their keys are the user's own. */
const opaque = new Set(['payload', 'content', 'result', 'evidence', 'details', 'state', 'lines'])

/** The same value with our own keys as JSON documents have them. */
function snakeCase(value: unknown): Json {
  if (Array.isArray(value)) return value.map(snakeCase)
  if (typeof value !== 'object' || value === null) return (value ?? null) as Json
  const entries = Object.entries(value).filter(([, field]) => field !== undefined)
  return Object.fromEntries(
    entries.map(([key, field]) => [
      key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      opaque.has(key) ? (field as Json) : snakeCase(field),
    ]),
  )
}

/** As much of the text as fits into so many columns; what was cut is marked. */
export function fit(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text
  let cut = ''
  let width = 1
  for (const character of text) {
    width += displayWidth(character)
    if (width > columns) break
    cut += character
  }
  return columns < 1 ? '' : `${cut}…`
}

/** Columns that a terminal uses: wide for most of Asia's characters and for emoji, none for combining marks. */
export function displayWidth(text: string): number {
  let width = 0
  for (const character of text) {
    if (/\p{Mn}|\p{Me}|\u200D|\uFE0F/u.test(character)) continue
    width +=
      /\p{Emoji_Presentation}|[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]/u.test(
        character,
      )
        ? 2
        : 1
  }
  return width
}
