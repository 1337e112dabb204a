import { setTimeout as sleep } from 'node:timers/promises'
import type { Errand } from './agent.ts'

/** Where an agent takes messages in; undefined while nobody knows. */
export type FindIngress = (agent: string) => string | undefined

export interface TrafficOptions {
  readonly agents: readonly string[]
  readonly ingressOf: FindIngress
  /** Between two messages of a thread, ms. */
  readonly paceMs: number
}

interface Thread {
  readonly name: string
  readonly agent: string
  readonly to: string
  /** Inputs that the agent has acknowledged. */
  handedIn: number
}

const retryMs = 50
const neighboursMax = 2

/**
 * A person for each agent and each of its next two, who hands in numbered inputs in order, each again under the same key until it is
 * acknowledged. An input leads to one message between the two agents, and that to one answer.
 */
export class Traffic {
  readonly #options: TrafficOptions
  readonly #threads: readonly Thread[]
  readonly #stopped = new AbortController()
  readonly complaints: string[] = []
  #working: Promise<unknown> = Promise.resolve()
  #requests = 0
  #abandoned = false

  constructor(options: TrafficOptions) {
    this.#options = options
    const { agents } = options
    const neighbours = Math.min(neighboursMax, agents.length - 1)
    this.#threads = agents.flatMap((agent, at) =>
      Array.from({ length: neighbours }, (_, index) => {
        const to = agents[(at + index + 1) % agents.length] ?? agent
        return { name: `${agent}-${to}`, agent, to, handedIn: 0 }
      }),
    )
  }

  /** Acknowledged inputs. */
  get handedIn(): number {
    return this.#threads.reduce((sum, thread) => sum + thread.handedIn, 0)
  }

  /** Of all kinds, those included that were not answered. */
  get requests(): number {
    return this.#requests
  }

  start(): void {
    this.#working = Promise.all(this.#threads.map((thread) => this.#handIn(thread)))
  }

  /** Resolves when the inputs are acknowledged that were under way. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#working
  }

  /** Nobody waits for an answer any more. */
  async abandon(): Promise<void> {
    this.#abandoned = true
    await this.stop()
  }

  /** Hands one message in, until it is acknowledged. False where it never will be. */
  async tell(agent: string, key: string, errand: Errand, conversation: string): Promise<boolean> {
    const query = new URLSearchParams({ conversation })
    while (!this.#abandoned) {
      const url = this.#options.ingressOf(agent)
      const status = url === undefined ? 0 : await this.#post(`${url}?${query.toString()}`, key, errand)
      if (status === 200 || status === 202) return true
      // 0: nobody answered. 404 is what a stranger says who has the port by now.
      if (![0, 404, 408, 429, 503].includes(status)) {
        this.complaints.push(`${agent} answered ${status} to ${key}`)
        return false
      }
      await sleep(retryMs)
    }
    return false
  }

  /** By agent: how many messages of each stream must take effect there, once all is at rest. */
  expected(): Map<string, Map<string, number>> {
    const expected = new Map(this.#options.agents.map((agent) => [agent, new Map<string, number>()]))
    for (const { name, agent, to, handedIn } of this.#threads) {
      expected.get(agent)?.set(`input ${name}`, handedIn)
      expected.get(to)?.set(`passed ${name}`, handedIn)
      expected.get(agent)?.set(`answer ${name}`, handedIn)
    }
    return expected
  }

  async #handIn(thread: Thread): Promise<void> {
    const { name, agent, to } = thread
    while (!this.#stopped.signal.aborted) {
      const number = thread.handedIn + 1
      const errand: Errand = { kind: 'input', thread: name, number, to }
      if (!(await this.tell(agent, `${name}-${number}`, errand, name))) return
      thread.handedIn = number
      await sleep(this.#options.paceMs, undefined, { signal: this.#stopped.signal }).catch(() => undefined)
    }
  }

  async #post(url: string, key: string, errand: Errand): Promise<number> {
    this.#requests += 1
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key, connection: 'close' },
        body: JSON.stringify(errand),
        // A suspended process keeps the connection, and says nothing.
        signal: AbortSignal.timeout(2_000),
      })
      await response.arrayBuffer()
      return response.status
    } catch {
      return 0
    }
  }
}
