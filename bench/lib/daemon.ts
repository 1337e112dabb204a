import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const program = join(import.meta.dirname, '..', '..', 'bin', 'perdura.mjs')
const patienceMs = 30_000
/** Beats come once a second; by then the daemon knows that the agent gets on, and holds no earlier kill against it. */
const beatMs = 1_200

interface LogLine {
  readonly time: string
  readonly event: string
  readonly to?: string
}

/** Runs `use` while the daemon of this home keeps an agent running at this hub. */
export async function underDaemon<T>(
  { home, file, hub }: { readonly home: string; readonly file: string; readonly hub: string },
  use: (agent: KeptAgent) => Promise<T>,
): Promise<T> {
  const perdura = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...args, '--home', home])
    return stdout
  }
  try {
    await perdura('start', file, '--hub', hub, '--port', '0')
    return await use(new KeptAgent(home, 'Resuming'))
  } finally {
    await perdura('daemon', 'stop')
  }
}

/** An agent that is killed again and again. */
export class KeptAgent {
  readonly #folder: string
  readonly #name: string
  #messages = 0

  constructor(home: string, name: string) {
    this.#name = name
    this.#folder = join(home, 'agents', name)
  }

  /** From SIGKILL until the next process has its session back, as the agent's own log has it, ms. */
  async killed(): Promise<number> {
    const killedAt = performance.timeOrigin + performance.now()
    process.kill(this.#record().pid, 'SIGKILL')
    return (await this.online(killedAt)) - killedAt
  }

  /** When it went online, of the first time after `since`; ms since the epoch. */
  async online(since: number): Promise<number> {
    return this.#logged(
      'it is online',
      since,
      ({ event, to }) => event === 'session:state:changed' && to === 'online',
    )
  }

  /** Has it do something, so that its next end is no longer one of a series. */
  async work(payload: object): Promise<void> {
    const since = Date.now() - 1
    this.#messages += 1
    const response = await fetch(
      `http://127.0.0.1:${this.#record().ingressPort}/agents/${this.#name}/inbox`,
      {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'idempotency-key': `kept-${this.#messages}`,
          connection: 'close',
        },
        body: JSON.stringify(payload),
      },
    )
    if (response.status !== 202) throw new Error(`the agent answered ${response.status}`)
    await this.#logged('it has done its turn', since, ({ event }) => event === 'turn:done')
    await sleep(beatMs)
  }

  #record(): { readonly pid: number; readonly ingressPort: number } {
    return JSON.parse(readFileSync(join(this.#folder, 'agent.pid'), 'utf8'))
  }

  async #logged(what: string, since: number, fits: (line: LogLine) => boolean): Promise<number> {
    const deadlineMs = performance.now() + patienceMs
    while (performance.now() < deadlineMs) {
      for (const text of this.#lines()) {
        const line = JSON.parse(text) as LogLine
        if (Date.parse(line.time) >= since && fits(line)) return Date.parse(line.time)
      }
      await sleep(10)
    }
    throw new Error(`not within ${patienceMs} ms: ${what}`)
  }

  /** The latest, whole. */
  #lines(): string[] {
    const log = join(this.#folder, 'agent.log')
    try {
      return readFileSync(log, 'utf8').slice(-40_000).split('\n').slice(1, -1)
    } catch {
      return []
    }
  }
}
