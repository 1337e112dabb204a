import { expiredReason } from '../../../src/queue/outbox-expiry.ts'
import type { OutboxParts } from '../../../src/queue/outbox-parts.ts'
import type { Queue } from '../../../src/queue/pauses.ts'
import type { Agent } from '../../../src/runtime/agent.ts'
import type { SimulatedClock } from '../../../src/testing/index.ts'
import type { AgentMachine } from './machines.ts'
import type { Task, Work } from './work.ts'

export type QueueInvariant = 'priority' | 'numbers-in-time' | 'expires-in-time' | 'paused'

export interface QueueWatchOptions {
  readonly clock: SimulatedClock
  readonly work: Work
  readonly violate: (invariant: QueueInvariant, message: string) => void
}

interface Row {
  readonly sequence: number
  readonly recipient: string
  readonly conversation: string
  readonly priority: number
}

/** Sees what agents do with their queues while they do it. */
export class QueueWatch {
  readonly #options: QueueWatchOptions
  /** When a machine has committed a message last, by its label, in ms that no clock of a machine has any part in. */
  readonly #committed = new Map<string, Map<AgentMachine, number>>()
  readonly #jumps: { readonly atMs: number; readonly ms: number }[] = []
  readonly #booted = new Map<AgentMachine, number>()
  readonly #paused = new Set<string>()

  constructor(options: QueueWatchOptions) {
    this.#options = options
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }

  jumped(ms: number): void {
    this.#jumps.push({ atMs: this.#nowMs, ms })
  }

  booted(machine: AgentMachine): void {
    this.#booted.set(machine, this.#nowMs)
  }

  /** From now on it is on disk that this queue stands still; or from now on it may go on. */
  paused(name: string, queue: Queue, isPaused: boolean): void {
    if (isPaused) this.#paused.add(`${name} ${queue}`)
    else this.#paused.delete(`${name} ${queue}`)
  }

  /** To what an agent tells of itself. */
  listen(machine: AgentMachine, agent: Agent): void {
    agent.on('outbox:message:committed', ({ sequence, text }) => this.#committedNow(machine, sequence, text))
    agent.on('outbox:message:expired', ({ sequence, reason }) => {
      if (reason === expiredReason) this.#expired(machine, sequence)
    })
    agent.on('turn:attempt:started', () => this.#mustGoOn(machine.name, 'inbox', 'began a turn'))
  }

  published({ name }: AgentMachine): void {
    this.#mustGoOn(name, 'outbox', 'published')
  }

  #mustGoOn(name: string, queue: Queue, what: string): void {
    if (!this.#paused.has(`${name} ${queue}`)) return
    this.#options.violate('paused', `${name} ${what}, and its ${queue} is paused`)
  }

  /** A message is on disk. Without a connection it must not have a number: what is urgent may come yet. */
  #committedNow(machine: AgentMachine, sequence: number, text: string): void {
    const { agent, host, session } = machine
    const { label } = JSON.parse(text) as Task
    const row = commitKey(label, sequence)
    const committed = this.#committed.get(row) ?? new Map<AgentMachine, number>()
    // What is put back may be what was there first, and is done again afterwards.
    if (!committed.has(machine)) committed.set(machine, this.#nowMs)
    this.#committed.set(row, committed)
    if (session === 'online' || session === 'resuming') return
    const stored = agent?.reader.get<{ ordinal: number | null }>(
      'SELECT ordinal FROM outbox WHERE sequence = ?',
      sequence,
    )
    if (stored !== undefined && stored.ordinal !== null) {
      this.#options.violate('numbers-in-time', `${host} gave ${label} a number, and is ${session}`)
    }
  }

  /**
   * A message was not sent in time. Nothing makes it early but a clock that jumped while no process ran that saw it, or that
   * of another machine, to which the message has come with the whole folder.
   */
  #expired(machine: AgentMachine, sequence: number): void {
    const row = machine.agent?.reader.get<{ content: string }>(
      'SELECT content FROM outbox WHERE sequence = ?',
      sequence,
    )
    if (row === undefined) return
    const { label } = JSON.parse(row.content) as Task
    const { on, committedMs } = this.#origin(commitKey(label, sequence), machine)
    const aheadMs = Math.max(0, machine.skewMs - on.skewMs)
    const bootMs = this.#booted.get(machine) ?? 0
    const unseen = this.#jumps.filter(({ atMs, ms }) => ms > 0 && atMs >= committedMs && atMs <= bootMs)
    const passedMs = this.#nowMs - committedMs + aheadMs + unseen.reduce((sum, { ms }) => sum + ms, 0)
    const ttlMs = this.#options.work.messages.get(label)?.ttlMs ?? Infinity
    if (passedMs >= ttlMs - 1) return
    this.#options.violate(
      'expires-in-time',
      `${machine.host} expired ${label} after ${passedMs} of ${ttlMs} ms`,
    )
  }

  /** Where and when the message was committed that this machine has: here, or first of all where its folder comes from. */
  #origin(row: string, machine: AgentMachine): { readonly on: AgentMachine; readonly committedMs: number } {
    const committed = this.#committed.get(row)
    const own = committed?.get(machine)
    const [[on, committedMs] = [machine, own ?? this.#nowMs]] =
      own === undefined ? [...(committed ?? [])] : []
    return { on, committedMs }
  }

  /**
   * The parts, watched: of what waits, the most urgent goes next, the oldest of those; in every eighth place the oldest of all;
   * and before it, what stands before it in its conversation with its recipient.
   */
  parts(parts: OutboxParts): OutboxParts {
    return {
      ...parts,
      nextWaiting: (reader, options) => {
        const chosen = parts.nextWaiting(reader, options)
        const rows = reader.all<Row>(
          `SELECT sequence, recipient, conversation, priority FROM outbox
           WHERE status = 'pending' AND ordinal IS NULL AND recipient <> 'you' ORDER BY sequence`,
        )
        const best =
          options.turn % 8 === 0
            ? rows[0]
            : rows.toSorted((a, b) => a.priority - b.priority || a.sequence - b.sequence)[0]
        const expected = rows.find(
          (row) => row.recipient === best?.recipient && row.conversation === best.conversation,
        )
        if (chosen?.sequence !== expected?.sequence) {
          this.#options.violate('priority', `${chosen?.sequence} was next instead of ${expected?.sequence}`)
        }
        return chosen
      },
    }
  }
}

/** One place in the outbox: an agent that was put back may give the same message another. */
function commitKey(label: string, sequence: number): string {
  return `${sequence} ${label}`
}
