import { setTimeout as sleep } from 'node:timers/promises'
import { AgentProcess, type AgentProcessOptions } from '../helpers/agent-process.ts'

/** An agent whose process is killed and started again, and must never end by itself. */
export class Victim {
  readonly #options: AgentProcessOptions
  #process: AgentProcess
  #kills = 0
  #turnsInterrupted = 0
  readonly #recoveriesMs: number[] = []
  readonly #complaints: string[] = []

  constructor(options: AgentProcessOptions) {
    this.#options = options
    this.#process = this.#start()
  }

  get inboxUrl(): string | undefined {
    return this.#process.ingressUrl
  }

  get kills(): number {
    return this.#kills
  }

  /** From start to ready, of every process that got so far. */
  get recoveriesMs(): readonly number[] {
    return this.#recoveriesMs
  }

  /** Turns that a kill hit while they ran. */
  get turnsInterrupted(): number {
    return this.#turnsInterrupted
  }

  /** Ends that nobody asked for. */
  get complaints(): readonly string[] {
    return this.#complaints
  }

  /** Resolves when its process is ready; one that ended by itself is noted, and started again. */
  async ready(): Promise<void> {
    for (;;) {
      try {
        await this.#process.ready
        return
      } catch {
        await this.#noteEnd()
      }
    }
  }

  /** Kills the process with SIGKILL and starts the next one at once. False if it was not there to be killed. */
  async kill(): Promise<boolean> {
    if (!this.#process.kill()) {
      await this.#noteEnd()
      return false
    }
    const { signal, code, complaint } = await this.#process.ended
    this.#kills += 1
    // It may have been about to end by itself, which it must not.
    if (signal !== 'SIGKILL') this.#complaints.push(`ended with ${code ?? signal}: ${complaint}`)
    this.#process = this.#start()
    return true
  }

  /** Asks it to stop, and kills it while it does; one that was quicker is started again. False in that case. */
  async killWhileStopping(delayMs: number): Promise<boolean> {
    const process = this.#process
    void process.stop()
    await sleep(delayMs)
    process.kill()
    const { code, signal, complaint } = await process.ended
    if (signal === 'SIGKILL') this.#kills += 1
    else if (code !== 0) this.#complaints.push(`stopped with ${code ?? signal}: ${complaint}`)
    this.#process = this.#start()
    return signal === 'SIGKILL'
  }

  /** Stops it as a person would. */
  async stop(): Promise<void> {
    const { code, signal, complaint } = await this.#process.stop()
    if (code !== 0) this.#complaints.push(`stopped with ${code ?? signal}: ${complaint}`)
  }

  /** Whatever state it is in, there is no process afterwards. */
  async end(): Promise<void> {
    this.#process.kill()
    await this.#process.ended
  }

  async #noteEnd(): Promise<void> {
    const { code, signal, complaint } = await this.#process.ended
    this.#complaints.push(`ended by itself with ${code ?? signal}: ${complaint}`)
    if (this.#complaints.length > 10)
      throw new Error(`the agent does not stay up: ${this.#complaints.at(-1)}`)
    this.#process = this.#start()
  }

  #start(): AgentProcess {
    const process = new AgentProcess(this.#options)
    void process.ready.then(
      ({ interruptedTurns }) => {
        this.#recoveriesMs.push(performance.now() - process.startedMs)
        this.#turnsInterrupted += interruptedTurns
      },
      () => undefined,
    )
    return process
  }
}
