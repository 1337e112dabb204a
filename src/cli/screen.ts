const enter = '\u001B[?1049h\u001B[?25l'
const leave = '\u001B[?25h\u001B[?1049l'
const beginUpdate = '\u001B[?2026h\u001B[H'
const endUpdate = '\u001B[J\u001B[?2026l'

const ignore = (): void => undefined

/**
 * The whole terminal, repainted in place, and its keys. However the process ends (short of SIGKILL), the terminal is
 * as it was before: `close` is called at exit, and before an exception that nobody caught is printed.
 */
export class Screen {
  readonly #onKey: (key: string) => void
  #open = false
  readonly #close = (): void => this.close()
  readonly #onData = (data: Buffer): void => {
    for (const key of data.toString('utf8')) this.#onKey(key)
  }

  constructor(onKey: (key: string) => void) {
    this.#onKey = onKey
  }

  /** Keys can be read only where standard input is the terminal too. */
  get hasKeys(): boolean {
    return process.stdin.isTTY
  }

  get size(): { readonly columns: number; readonly rows: number } {
    return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 }
  }

  open(): void {
    this.#open = true
    process.on('exit', this.#close)
    process.on('uncaughtExceptionMonitor', this.#close)
    if (this.hasKeys) {
      // Of a terminal that was closed nothing can be read, and its mode cannot be changed; a signal says that it is gone.
      process.stdin.on('error', ignore)
      process.stdin.setRawMode(true)
      process.stdin.on('data', this.#onData)
    }
    process.stdout.write(enter)
  }

  paint(lines: readonly string[]): void {
    if (!this.#open) return
    process.stdout.write(`${beginUpdate}${lines.map((line) => `${line}\u001B[K`).join('\r\n')}${endUpdate}`)
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    process.off('exit', this.#close)
    process.off('uncaughtExceptionMonitor', this.#close)
    process.stdout.write(leave)
    if (this.hasKeys) {
      process.stdin.off('data', this.#onData)
      process.stdin.setRawMode(false)
      process.stdin.pause()
    }
  }
}
