import { createHash } from 'node:crypto'

/** Lines of which the newest are kept for whoever looks at a failure. */
const keptMax = 400

/** What happened in a simulation, line by line: its hash tells whether two runs were the same. */
export class Trace {
  readonly #hash = createHash('sha256')
  #kept: string[] = []
  #waiting: string[] = []
  #lines = 0
  /** Told every line, for watching a seed. */
  onLine: ((line: string) => void) | undefined

  add(line: string): void {
    this.#lines += 1
    this.#waiting.push(line)
    this.onLine?.(line)
    if (this.#waiting.length >= 256) this.#flush()
  }

  /** How many lines there are, and the hash over them. */
  get digest(): string {
    this.#flush()
    return `${this.#lines}-${this.#hash.copy().digest('hex').slice(0, 16)}`
  }

  /** The newest lines, oldest first. */
  get last(): readonly string[] {
    this.#flush()
    return this.#kept
  }

  #flush(): void {
    if (this.#waiting.length === 0) return
    this.#hash.update(`${this.#waiting.join('\n')}\n`)
    this.#kept = [...this.#kept, ...this.#waiting].slice(-keptMax)
    this.#waiting = []
  }
}
