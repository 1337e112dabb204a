import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { call } from './outside.ts'
import type { ReceiverReport } from './receiver.ts'

/** The receiver as a child process: it goes with its standard input, so it cannot outlive whoever started it. */
export class ReceiverProcess {
  readonly port: number
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.#ended = new Promise((resolve) => child.once('close', resolve))
    this.port = port
  }

  static async start(): Promise<ReceiverProcess> {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'receiver.ts')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const port = await new Promise<number>((resolve, reject) => {
      child.once('exit', () => reject(new Error('the receiver did not start')))
      child.stdout.setEncoding('utf8').once('data', (line: string) => resolve(Number(line)))
    })
    return new ReceiverProcess(child, port)
  }

  async report(): Promise<ReceiverReport> {
    const { body } = await call('GET', '/report', undefined, this.port)
    return body as ReceiverReport
  }

  async stop(): Promise<void> {
    this.#child.stdin?.end()
    await this.#ended
  }
}
