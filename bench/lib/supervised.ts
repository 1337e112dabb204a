import { createNodeSpawner } from '../../src/platform/node/child.ts'
import { createNodeClock } from '../../src/platform/node/clock.ts'
import { createNodeRandom } from '../../src/platform/node/random.ts'
import { SupervisedChild } from '../../src/supervisor/child.ts'
import { defaultPolicy } from '../../src/supervisor/policy.ts'

/** A Node program that the product's supervisor keeps running, and what it says over its message channel. */
export class Supervised<Message extends { readonly type: string }> {
  readonly #child: SupervisedChild
  readonly #said: Message[] = []
  readonly #waiting: {
    readonly wanted: (message: Message) => boolean
    readonly resolve: (message: Message) => void
  }[] = []

  /** `readyType` is the type of the message by which the program says that it runs. */
  constructor(program: readonly string[], readyType: Message['type']) {
    this.#child = new SupervisedChild({
      command: () => ({ file: process.execPath, arguments: program }),
      spawner: createNodeSpawner(),
      clock: createNodeClock(),
      random: createNodeRandom(),
      understand: (message) => ((message as Message).type === readyType ? { kind: 'ready' } : undefined),
      // Each kill is an accident of its own: a series of them would be answered with growing delays, and with safe mode.
      policy: {
        ...defaultPolicy,
        backoff: { baseMs: 0, capMs: 0, readyCapMs: 0 },
        failuresMax: 1_000_000,
      },
      sink: {
        onMessage: (message) => this.#hear(message as Message),
        onLine: (stream, line) => {
          if (stream === 'stderr') process.stderr.write(`${line}\n`)
        },
        onState: () => undefined,
        onExit: () => undefined,
      },
    })
    this.#child.start()
  }

  /** Kills the process from outside, as the system does when memory is short. Returns when, in ms since the epoch. */
  kill(): number {
    const { state } = this.#child
    if (state.name !== 'running' || state.pid === undefined) throw new Error(`nothing to kill: ${state.name}`)
    this.#said.length = 0
    const at = performance.timeOrigin + performance.now()
    process.kill(state.pid, 'SIGKILL')
    return at
  }

  /** The next message of this type that fits, of those said since the last kill. */
  async next<Type extends Message['type']>(
    type: Type,
    fits: (message: Extract<Message, { type: Type }>) => boolean = () => true,
  ): Promise<Extract<Message, { type: Type }>> {
    type Wanted = Extract<Message, { type: Type }>
    const wanted = (message: Message): boolean => message.type === type && fits(message as Wanted)
    const at = this.#said.findIndex(wanted)
    if (at >= 0) return this.#said.splice(at, 1)[0] as Wanted
    return new Promise<Message>((resolve) => this.#waiting.push({ wanted, resolve })) as Promise<Wanted>
  }

  async stop(): Promise<void> {
    await this.#child.stop()
  }

  #hear(message: Message): void {
    const at = this.#waiting.findIndex(({ wanted }) => wanted(message))
    if (at === -1) this.#said.push(message)
    else this.#waiting.splice(at, 1)[0]?.resolve(message)
  }
}
