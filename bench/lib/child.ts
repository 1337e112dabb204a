import { spawn, type ChildProcess } from 'node:child_process'

/** A program of a benchmark as a process of its own, and what it says over its message channel. */
export class BenchChild<Message extends { readonly type: string }> {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #said: Message[] = []
  readonly #waiting: { readonly type: string; readonly resolve: (message: Message) => void }[] = []

  /** `command`: options of Node, the program, its parameters. */
  constructor(command: readonly string[]) {
    this.#child = spawn(process.execPath, command, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.#ended = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.on('message', (message: Message) => {
      const at = this.#waiting.findIndex(({ type }) => type === message.type)
      if (at === -1) this.#said.push(message)
      else this.#waiting.splice(at, 1)[0]?.resolve(message)
    })
  }

  tell(message: object): void {
    this.#child.send(message)
  }

  /** The next message of this type. Rejects when the process ends instead. */
  async next<Type extends Message['type']>(type: Type): Promise<Extract<Message, { type: Type }>> {
    type Wanted = Extract<Message, { type: Type }>
    const at = this.#said.findIndex((message) => message.type === type)
    if (at >= 0) return this.#said.splice(at, 1)[0] as Wanted
    const message = new Promise<Message>((resolve) => this.#waiting.push({ type, resolve }))
    const over = this.#ended.then(() => {
      throw new Error(`a process ended that was to say ${type}`)
    })
    return (await Promise.race([message, over])) as Wanted
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** SIGTERM, on which these programs end. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    await this.#ended
  }
}
