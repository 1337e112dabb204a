import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { effectsOf, listTurns } from '../../src/runtime/turn-queries.ts'
import { findReceipt } from './outside.ts'
import type { DatabaseView } from './view.ts'

const program = join(import.meta.dirname, '..', '..', 'bin', 'perdura.mjs')

export interface OperatorOptions {
  readonly home: string
  readonly agent: string
  readonly view: DatabaseView
  readonly receiverPort: number
}

/**
 * The person who is shown turns that wait for a decision: asks the outside whether the effect happened, and tells the
 * agent with `perdura turn resolve`. The agent may be killed while it is told; then the turn still waits, and is
 * decided again.
 */
export class Operator {
  readonly #options: OperatorOptions
  readonly #parked = new Set<string>()
  #decisions = 0
  #leaving = false
  #working: Promise<void> | undefined

  constructor(options: OperatorOptions) {
    this.#options = options
  }

  /** Effects that waited for a decision, and decisions that the agent took. */
  get report(): { readonly parked: number; readonly decisions: number } {
    return { parked: this.#parked.size, decisions: this.#decisions }
  }

  start(): void {
    this.#working = this.#work()
  }

  async leave(): Promise<void> {
    this.#leaving = true
    await this.#working
  }

  async #work(): Promise<void> {
    while (!this.#leaving) {
      for (const { turn, effect, key } of this.#undecided()) {
        if (this.#leaving) return
        this.#parked.add(key)
        await this.#decide(turn, effect, key)
      }
      await sleep(50)
    }
  }

  #undecided(): { turn: number; effect: string; key: string }[] {
    const found = this.#options.view.read((reader) =>
      listTurns(reader, { statuses: ['parked'], order: 'oldest' }).flatMap(({ turn }) =>
        effectsOf(reader, turn)
          .filter(({ status }) => status === 'unknown')
          .map(({ name, key }) => ({ turn, effect: name, key })),
      ),
    )
    return found ?? []
  }

  async #decide(turn: number, effect: string, key: string): Promise<void> {
    const { agent, home, receiverPort } = this.#options
    const receipt = await findReceipt(key, receiverPort)
    const outcome = receipt === undefined ? ['--not-done'] : ['--done', '--result', JSON.stringify(receipt)]
    const args = [program, 'turn', 'resolve', agent, String(turn), effect, ...outcome, '--home', home]
    const command = spawn(process.execPath, args, { stdio: 'ignore' })
    const exitCode = await new Promise((resolve) => command.on('close', resolve))
    if (exitCode === 0) this.#decisions += 1
  }
}
