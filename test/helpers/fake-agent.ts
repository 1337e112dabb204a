import type { Accepted, Agent, EffectDecision, IngestInput } from '../../src/runtime/agent.ts'
import type { SendInput } from '../../src/runtime/send-message.ts'
import type { TerminalRead } from '../../src/queue/outbox.ts'

/** An agent that only notes what it is asked for. */
export class FakeAgent implements Agent {
  readonly name = 'Ada'
  readonly id = 'agent-1'
  readonly folder = '/home/agents/Ada'
  safeMode = false
  readonly recovered = {
    previous: 'none',
    replayedRecords: 0,
    tornBytes: 0,
    database: 'created',
    interruptedTurns: 0,
  } as const
  load = { inbox: 0, inboxRoom: 10, outbox: 0, running: 0, ready: 0 }
  health: Agent['health'] = undefined
  readonly progress = { turns: [], stalledMs: 0 }
  reader: Agent['reader'] = { get: () => undefined, all: () => [] }
  readonly queue: Agent['queue'] = {
    pause: async (queues) => void this.calls.push(['pause', queues]),
    resume: async (queues) => void this.calls.push(['resume', queues]),
    retryMessage: async (sequence) => {
      this.calls.push(['retryMessage', sequence])
      return { sequence: sequence + 1, duplicate: false }
    },
    retryAll: async (queues) => {
      this.calls.push(['retryAll', queues])
      return { turns: 1, messages: 2 }
    },
    purgeDead: async (queues) => {
      this.calls.push(['purgeDead', queues])
      return { turns: 3, messages: 4 }
    },
    purgePending: async () => {
      this.calls.push(['purgePending'])
      return { messages: 5, underWay: 6 }
    },
  }
  hubSessions: Agent['hubSessions'] = undefined
  tokens: Agent['tokens'] = undefined
  readonly ingested: IngestInput[] = []
  readonly calls: unknown[][] = []
  /** What the next `ingest` does; by default it accepts. */
  answer: (input: IngestInput) => Promise<Accepted> = () =>
    Promise.resolve({ position: this.ingested.length, duplicate: false })

  ingest(input: IngestInput): Promise<Accepted> {
    this.ingested.push(input)
    return this.answer(input)
  }

  send(input: SendInput): Promise<{ sequence: number; duplicate: boolean }> {
    this.calls.push(['send', input])
    return Promise.resolve({ sequence: 1, duplicate: false })
  }

  resolveEffect(turn: number, effect: string, decision: EffectDecision): Promise<void> {
    this.calls.push(['resolveEffect', turn, effect, decision])
    return Promise.resolve()
  }

  retryTurn(turn: number): Promise<void> {
    this.calls.push(['retryTurn', turn])
    return Promise.resolve()
  }

  acknowledgeTerminal(read: TerminalRead): Promise<void> {
    this.calls.push(['acknowledgeTerminal', read])
    return Promise.resolve()
  }

  session: Agent['session'] = undefined

  reconnect(reason: string): void {
    this.calls.push(['reconnect', reason])
  }

  on(): () => void {
    return () => undefined
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
