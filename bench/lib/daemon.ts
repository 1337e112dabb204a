import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const program = join(import.meta.dirname, '..', '..', 'bin', 'perdura.mjs')
const patienceMs = 30_000

interface LogLine {
  readonly time: string
  readonly event: string
  readonly to?: string
}

/** Runs `use` while the daemon of this home keeps the agent of this file running at this hub. */
export async function underDaemon<T>(
  options: { readonly home: string; readonly name: string; readonly file: string; readonly hub: string },
  use: (agent: KeptAgent) => Promise<T>,
): Promise<T> {
  const { home, name, file, hub } = options
  const perdura: Command = async (...args) => {
    await promisify(execFile)(process.execPath, [program, ...args, '--home', home])
  }
  try {
    await perdura('start', file, '--hub', hub, '--port', '0')
    return await use(new KeptAgent(join(home, 'agents', name), () => perdura('restart', name)))
  } finally {
    await perdura('daemon', 'stop')
  }
}

type Command = (...args: readonly string[]) => Promise<void>

/** An agent under a daemon that is killed again and again. */
export class KeptAgent {
  readonly #folder: string
  readonly #restart: () => Promise<void>

  constructor(folder: string, restart: () => Promise<void>) {
    this.#folder = folder
    this.#restart = restart
  }

  /**
   * SIGKILL, until the next process has its session back; times are ms, as the agent's own log has them. Each kill is an
   * accident of its own: a series of them would be answered with growing delays, so that it is restarted in between, for
   * which a daemon forgives what was before.
   */
  async killed(): Promise<{ readonly totalMs: number; readonly sessionMs: number }> {
    const restartedAt = Date.now()
    await this.#restart()
    await this.#logged(restartedAt, isOnline)
    const killedAt = performance.timeOrigin + performance.now()
    process.kill(this.#pid(), 'SIGKILL')
    const onlineAt = await this.#logged(killedAt, isOnline)
    const openAt = await this.#logged(killedAt, ({ event }) => event === 'agent:start:ready')
    return { totalMs: onlineAt - killedAt, sessionMs: onlineAt - openAt }
  }

  #pid(): number {
    const record = JSON.parse(readFileSync(join(this.#folder, 'agent.pid'), 'utf8')) as {
      readonly pid: number
    }
    return record.pid
  }

  /** When the first such line was written after `since`, ms since the epoch. */
  async #logged(since: number, fits: (line: LogLine) => boolean): Promise<number> {
    const deadlineMs = performance.now() + patienceMs
    while (performance.now() < deadlineMs) {
      const line = this.#lines().find((one) => Date.parse(one.time) >= since && fits(one))
      if (line !== undefined) return Date.parse(line.time)
      await sleep(25)
    }
    throw new Error(`the agent's log does not have it within ${patienceMs} ms: ${fits.toString()}`)
  }

  /** The latest, whole. */
  #lines(): LogLine[] {
    const log = join(this.#folder, 'agent.log')
    if (!existsSync(log)) return []
    const texts = readFileSync(log, 'utf8').slice(-20_000).split('\n').slice(1, -1)
    return texts.map((text) => JSON.parse(text) as LogLine)
  }
}

function isOnline({ event, to }: LogLine): boolean {
  return event === 'session:state:changed' && to === 'online'
}
