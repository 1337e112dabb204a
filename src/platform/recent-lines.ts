import type { LogSink } from './logger.ts'

const linesMax = 50

/** The last lines of a log, kept in memory for a report of how a process ended; they are without secrets already. */
export class RecentLines implements LogSink {
  readonly #lines: string[] = []

  write(line: string): void {
    this.#lines.push(line)
    if (this.#lines.length > linesMax) this.#lines.shift()
  }

  /** Oldest first. */
  get lines(): readonly string[] {
    return this.#lines
  }
}
