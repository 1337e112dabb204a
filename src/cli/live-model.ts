import { noCounters, type Counters } from '../runtime/counters.ts'
import type { Totals } from '../runtime/queries.ts'
import type { ChildState } from '../supervisor/child-state.ts'
import type { Activity, ProcessMessage, SessionFigures } from './process-messages.ts'

/** What `up` knows about one of its processes, an agent's or the hub's; changed by what the supervisor and the agent's process tell. */
export class LiveModel {
  agent: string
  state: ChildState = { name: 'stopped' }
  ingressUrl: string | undefined
  /** Wall-clock ms since when the process is ready; undefined while there is none. */
  readySince: number | undefined
  restarts = 0
  kills = 0
  /** From the death of a process to its successor's being ready. */
  lastRecoveryMs: number | undefined
  /** As the database of the agent has it. */
  totals: Totals = { received: 0, done: 0, open: 0, parked: 0, dead: 0, unread: 0, outgoing: 0 }
  /** How the agent stands at its hub. */
  session: SessionFigures = null
  /** Of a hub: how many agents are connected; undefined for an agent. */
  connected: number | undefined
  /** Why the last process did not become ready. */
  failure: { readonly code: string; readonly message: string } | undefined
  readonly activity: Activity[] = []
  readonly #past: Record<keyof Counters, number> = { ...noCounters }
  #current: Counters = noCounters
  #diedMs: number | undefined
  #first: Totals | undefined

  constructor(agent: string) {
    this.agent = agent
  }

  /** What all processes so far have done. */
  get counters(): Counters {
    const total = { ...this.#past }
    for (const name of counterNames) total[name] += this.#current[name]
    return total
  }

  /** Entries that came in since `up` began, with those that were waiting then: so many can take effect. */
  get cameIn(): number {
    return this.totals.received - (this.#first?.received ?? 0) + (this.#first?.open ?? 0)
  }

  get tookEffect(): number {
    return this.totals.done - (this.#first?.done ?? 0)
  }

  entered(state: ChildState): void {
    this.state = state
    if (state.name === 'running') return
    this.readySince = undefined
    this.session = null
    if (this.connected !== undefined) this.connected = 0
  }

  /** A process ended; `monotonicMs` and wall-clock time are of that moment. */
  exited(text: string, killed: boolean, monotonicMs: number, at: number): void {
    if (killed) this.kills += 1
    this.#diedMs = monotonicMs
    for (const name of counterNames) this.#past[name] += this.#current[name]
    this.#current = noCounters
    this.add({ at, kind: 'process', text })
  }

  received(message: ProcessMessage, monotonicMs: number, at: number): void {
    switch (message.type) {
      case 'named':
        this.agent = message.name
        break
      case 'ready': {
        this.#ready(monotonicMs, at)
        this.session = message.session
        this.ingressUrl = message.ingressUrl
        this.#first ??= message.totals
        this.totals = message.totals
        break
      }
      case 'activity':
        this.#current = message.counters
        this.totals = message.totals
        this.session = message.session
        for (const line of message.lines) this.add(line)
        break
      case 'hub':
        if (this.readySince === undefined) this.#ready(monotonicMs, at)
        this.connected = message.connected
        break
      case 'failed':
        this.failure = { code: message.code, message: message.message }
        break
      case 'stop':
      case 'reload':
      case 'handover':
      case 'beat':
      case 'busy':
        break
    }
  }

  #ready(monotonicMs: number, at: number): void {
    if (this.#diedMs !== undefined) this.lastRecoveryMs = monotonicMs - this.#diedMs
    this.#diedMs = undefined
    this.failure = undefined
    this.readySince = at
  }

  add(activity: Activity): void {
    this.activity.push(activity)
    if (this.activity.length > activityMax) this.activity.shift()
  }
}

const activityMax = 200

const counterNames = Object.keys(noCounters) as (keyof Counters)[]
