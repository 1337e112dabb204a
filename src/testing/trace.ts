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

  /** `detail`: counts for the hash, and is not kept. */
  add(line: string, detail = false): void {
    this.#lines += 1
    this.#waiting.push(line)
    if (!detail) this.#kept.push(line)
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
    return this.#kept.slice(-keptMax)
  }

  #flush(): void {
    if (this.#waiting.length === 0) return
    this.#hash.update(`${this.#waiting.join('\n')}\n`)
    if (this.#kept.length > 2 * keptMax) this.#kept = this.#kept.slice(-keptMax)
    this.#waiting = []
  }
}
