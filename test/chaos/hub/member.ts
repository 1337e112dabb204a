import { spawn, type ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FromAgent, ToAgent } from './messages.ts'

export interface MemberOptions {
  readonly name: string
  /** Program and parameters. */
  readonly command: readonly string[]
  /** A command that runs the command that it is given: where the member is to live. */
  readonly launcher?: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Whatever its processes say. */
  readonly onSaid?: (message: FromAgent) => void
}

/** One process of a member, from its start to its end. */
class Life {
  readonly startedMs = performance.now()
  readonly child: ChildProcess
  readonly ended: Promise<{ readonly signal: string | null; readonly code: number | null }>
  readonly #ready = Promise.withResolvers<void>()
  readonly #asked = new Map<string, (accepted: boolean) => void>()
  complaint = ''

  constructor(options: MemberOptions, onMessage: (message: FromAgent) => void) {
    const { command, environment, launcher = [] } = options
    const [program = '', ...parameters] = [...launcher, process.execPath, ...command]
    this.child = spawn(program, parameters, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, ...environment },
    })
    this.#ready.promise.catch(() => undefined)
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.complaint = (this.complaint + text).slice(-4_000)
    })
    this.child.on('message', (message: FromAgent) => {
      if (message.type === 'ready') this.#ready.resolve()
      else if (message.type === 'answer') this.#settle(message.id, message.accepted)
      onMessage(message)
    })
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code, signal) => {
        this.#ready.reject(new Error(`ended with ${code ?? signal}: ${this.complaint}`))
        for (const id of this.#asked.keys()) this.#settle(id, false)
        resolve({ code, signal })
      })
    })
  }

  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /** Whether it was accepted; not if the process ends before it answers. */
  ask(message: Extract<ToAgent, { type: 'ingest' }>): Promise<boolean> {
    return new Promise((resolve) => {
      const { id } = message.input
      this.#asked.set(id, resolve)
      this.child.send(message, (error) => {
        if (error !== null) this.#settle(id, false)
      })
    })
  }

  #settle(id: string, accepted: boolean): void {
    this.#asked.get(id)?.(accepted)
    this.#asked.delete(id)
  }
}

/** The hub or an agent: a process that is killed and started again, and must never end by itself. */
export class Member {
  readonly name: string
  kills = 0
  /** What its process says of its session; '' where it has said nothing yet. */
  session = ''
  readonly #options: MemberOptions
  readonly #complaints: string[] = []
  readonly #recoveriesMs: number[] = []
  #life: Life
  #changing: Promise<void> | undefined

  constructor(options: MemberOptions) {
    this.name = options.name
    this.#options = options
    this.#life = this.#start()
  }

  /** Ends that nobody asked for, and what its processes complained about. */
  get complaints(): readonly string[] {
    return this.#complaints
  }

  /** From start to ready, of every process that got so far. */
  get recoveriesMs(): readonly number[] {
    return this.#recoveriesMs
  }

  /** Resolves when its process has come up; one that ended by itself is noted, and started again. */
  async ready(): Promise<void> {
    for (;;) {
      await this.#changing
      const life = this.#life
      try {
        return await life.ready
      } catch {
        if (life === this.#life && this.#changing === undefined) await this.#noteEnd(life)
      }
    }
  }

  /** Asks the process that is there now; false if it is not any more, or refuses. */
  ask(message: Extract<ToAgent, { type: 'ingest' }>): Promise<boolean> {
    return this.#life.ask(message)
  }

  /** Lost where it is not there any more. */
  tell(message: ToAgent): void {
    this.#life.child.send(message, () => undefined)
  }

  /** For what does not end it, such as SIGSTOP. */
  signal(signal: NodeJS.Signals): void {
    this.#life.child.kill(signal)
  }

  /** SIGKILL; `meanwhile` has its folder to itself before the next process. Twice at a time is not asked. */
  async kill(restartMs: number, meanwhile?: () => void): Promise<void> {
    await this.#changing
    this.#changing = this.#kill(restartMs, meanwhile)
    await this.#changing
    this.#changing = undefined
  }

  /** Stops it as a person would, and starts it again. */
  async restart(restartMs: number): Promise<void> {
    await this.stop()
    await sleep(restartMs)
    this.#life = this.#start()
  }

  /** Stops it as a person would. */
  async stop(): Promise<void> {
    this.#life.child.kill('SIGTERM')
    const { code, signal } = await this.#life.ended
    if (code !== 0) this.#complain(`stopped with ${code ?? signal}: ${this.#life.complaint}`)
  }

  /** Whatever state it is in, there is no process afterwards. */
  async end(): Promise<void> {
    await this.#changing
    this.#life.child.kill('SIGKILL')
    await this.#life.ended
  }

  async #kill(restartMs: number, meanwhile: (() => void) | undefined): Promise<void> {
    let killed = false
    while (!killed) {
      const life = this.#life
      life.child.kill('SIGKILL')
      const { code, signal } = await life.ended
      killed = signal === 'SIGKILL'
      // It was quicker, which it must not be.
      if (!killed) this.#complain(`ended by itself with ${code ?? signal}: ${life.complaint}`)
      if (killed) meanwhile?.()
      await sleep(restartMs)
      this.#life = this.#start()
    }
    this.kills += 1
  }

  async #noteEnd(life: Life): Promise<void> {
    const { code, signal } = await life.ended
    this.#complain(`ended by itself with ${code ?? signal}: ${life.complaint}`)
    if (this.#complaints.length > 10)
      throw new Error(`${this.name} does not stay up: ${this.#complaints.at(-1)}`)
    if (life === this.#life && this.#changing === undefined) this.#life = this.#start()
  }

  #complain(text: string): void {
    this.#complaints.push(`${this.name}: ${text}`)
  }

  #start(): Life {
    this.session = ''
    const life: Life = new Life(this.#options, (message) => {
      if (life !== this.#life) return
      this.#options.onSaid?.(message)
      if (message.type === 'session') this.session = message.state
      else if (message.type === 'complaint') this.#complain(message.text)
    })
    void life.ready.then(
      () => this.#recoveriesMs.push(performance.now() - life.startedMs),
      () => undefined,
    )
    return life
  }
}
