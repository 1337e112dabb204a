import type { HealthChange, HealthView } from '../health/monitor.ts'
import type { HealthReport } from '../health/report.ts'
import type { Progress } from '../agent/progress.ts'
import type { Json } from '../json.ts'
import type { TerminalRead } from '../queue/outbox.ts'
import type { Queue } from '../queue/pauses.ts'
import type { Reader } from '../store/store.ts'
import type { AgentTimes } from './agent-times.ts'
import type { HubSessions } from './hub/hub-sessions.ts'
import type { HubTokens } from './hub/hub-tokens.ts'
import type { LiveSession } from './live-session.ts'
import type { QueueControl } from './queue-control.ts'
import type { SendInput } from './send-message.ts'

/** Something for the agent to handle once. */
export interface IngestInput {
  /** What its source calls it: 1 to 255 printable ASCII characters. The same `from` and `id` again is a duplicate. */
  readonly id: string
  readonly payload: Json
  /** Who it is from; replies go there. Default `you`, the person at the terminal. */
  readonly from?: string
  /** Entries of one conversation are handled in order. Default: `from`. */
  readonly conversation?: string
  readonly inReplyTo?: string
  readonly hops?: number
}

/** What an acknowledgement says: the entry is on disk. */
export interface Accepted {
  readonly position: number
  readonly duplicate: boolean
}

/** What a person decides about an effect whose outcome nobody knows. */
export type EffectDecision =
  | { readonly outcome: 'done'; readonly result: Json }
  | { readonly outcome: 'not-done' }

/** What a running agent tells whoever watches it: events named `noun:verb:phase` with one object each. */
export interface AgentEvents {
  'agent:start:ready': { readonly recoveryMs: number; readonly recovered: RecoverySummary }
  'inbox:entry:accepted': { readonly position: number; readonly from: string; readonly text: string }
  'inbox:entry:duplicate': { readonly position: number; readonly from: string }
  'turn:attempt:started': { readonly turn: number; readonly attempt: number }
  'turn:attempt:failed': { readonly turn: number; readonly error: string; readonly retryInMs: number | null }
  'turn:done': { readonly turn: number; readonly durationMs: number }
  'turn:parked': { readonly turn: number; readonly effect: string }
  'turn:dead': { readonly turn: number; readonly reason: string }
  'outbox:message:committed': { readonly sequence: number; readonly to: string; readonly text: string }
  'outbox:message:delivered': { readonly sequence: number; readonly to: string }
  'outbox:message:refused': { readonly sequence: number; readonly to: string; readonly error: string }
  /** It was not sent in time, or the hub had accepted it and nobody fetched it in time. */
  'outbox:message:expired': { readonly sequence: number; readonly to: string; readonly reason: string }
  /** A dead letter was sent again, under another id. */
  'outbox:message:retried': { readonly sequence: number; readonly as: number }
  'queue:pause:changed': { readonly queue: Queue; readonly paused: boolean }
  /** Dead letters that were forgotten because a person said so. */
  'queue:dead:purged': { readonly turns: number; readonly messages: number }
  /** States are idle, connecting, resuming, online, backing-off, suspended, stopped. */
  'session:state:changed': { readonly from: string; readonly to: string; readonly reason: string }
  /** Nothing is tried any more until the network changes, the machine wakes, or somebody asks. */
  'session:attempts:exhausted': { readonly attempts: number; readonly reason: string }
  /** Messages of the hub's stream that will never come: it does not have them any more, or they cannot be kept here. */
  'session:gap:announced': { readonly from: number; readonly to: number; readonly reason: string }
  /** The hub has the agent in another session than before; `reason` says why, as `ready` does. */
  'session:identifier:changed': { readonly before: string; readonly after: string; readonly reason: string }
  /** An old token of the agent was used: it was stolen. The hub has ended so many logins for it, the last so long ago. */
  'session:credentials:compromised': { readonly logins: number; readonly agoMs: number }
  /** The hub will not have this process any more: a person has to change something. The agent closes itself. */
  'session:ended': { readonly code: string; readonly error: string }
  'agent:stop:done': StopSummary
  /** The state is the worst of all checks; with the reasons of those that are not healthy. */
  'health:state:changed': HealthChange
}

/** What opening the store found. */
export interface RecoverySummary {
  /** How the process before ended. */
  readonly previous: 'none' | 'clean' | 'killed'
  /** Journal records that the database did not have yet. */
  readonly replayedRecords: number
  /** Bytes of a torn record that was never acknowledged, cut off. */
  readonly tornBytes: number
  /** Where the database came from: itself, a cut and the journal (it was missing or corrupt), or newly made. */
  readonly database: 'kept' | 'rebuilt' | 'created'
  /** Turns that were running when the process before ended. */
  readonly interruptedTurns: number
}

/** How much there is to do, from memory: cheap enough to be asked for at any time. */
export interface AgentLoad {
  /** Entries that are not finished, and messages to other agents without a verdict. */
  readonly inbox: number
  readonly outbox: number
  /** Entries that the inbox would take in. */
  readonly inboxRoom: number
  /** Turns that run, and entries that could be begun now: several, where all turns are taken. */
  readonly running: number
  readonly ready: number
}

/** How a clean end went, and what it left for the next start. Nothing of it is lost. */
export interface StopSummary {
  readonly durationMs: number
  /** Turns that the end cut short: they go on at the next start. */
  readonly interruptedTurns: number
  /** Entries of the inbox that are not finished, those included. */
  readonly openTurns: number
  /** Messages to other agents that are still to be sent. */
  readonly unsentMessages: number
}

export interface CloseOptions {
  /** Time for turns to finish, and for what they send to go out, ms. Default 10,000. */
  readonly deadlineMs?: number
  /** Lets go of the session at the hub, so that the next process of the agent has it at once. */
  readonly handover?: boolean
  /** Once it aborts, nothing is waited for any more: turns are interrupted, and what is not sent stays. */
  readonly hurry?: AbortSignal
}

/** How an agent finds itself, as of a few seconds ago. */
export interface AgentHealth {
  readonly view: HealthView
  /** The state with its reasons, and as of now why it takes nothing in or handles nothing. */
  readonly report: HealthReport
  /** There has been work for long, and nothing ran or was done. */
  readonly stalled: boolean
  /** Of the overall state, since the process started. */
  readonly changes: number
  readonly times: AgentTimes
  start(): void
  /** From now on it is not ready. */
  stop(): void
}

/** A running agent. */
export interface Agent {
  readonly name: string
  readonly id: string
  /** The agent's folder. */
  readonly folder: string
  /**
   * Its mind is off: what comes in is kept, what is to be sent is sent, everything can be looked at and decided, and no turn
   * is begun until a process without safe mode starts.
   */
  readonly safeMode: boolean
  readonly recovered: RecoverySummary
  readonly load: AgentLoad
  /** Undefined where nothing looks after it: in a simulation. */
  readonly health: AgentHealth | undefined
  /** What its turns are at, and whether they get on. */
  readonly progress: Progress
  /** Read-only view of the agent's database, committed content only. */
  readonly reader: Reader
  /** Its sessions at its hub; undefined without one. */
  readonly hubSessions: HubSessions | undefined
  /** Its tokens and its key at its hub; undefined without one. */
  readonly tokens: HubTokens | undefined
  /** Resolves when the entry is on disk, and only then. */
  ingest(input: IngestInput): Promise<Accepted>
  /** Commits a message to the outbox; resolves when it is on disk. What becomes of it, the events tell. */
  send(input: SendInput): Promise<{ readonly sequence: number; readonly duplicate: boolean }>
  /** Decides a parked effect; the turn goes on. Rejects with ERR_NO_SUCH_TURN where nothing is parked. */
  resolveEffect(turn: number, effect: string, decision: EffectDecision): Promise<void>
  /** Puts a dead letter back into the inbox, its counters at zero. */
  retryTurn(turn: number): Promise<void>
  /** What a person does with the queues. */
  readonly queue: QueueControl
  /** Marks messages to the person at the terminal as read: those up to and including one, or those of one turn. */
  acknowledgeTerminal(read: TerminalRead): Promise<void>
  on<Name extends keyof AgentEvents>(name: Name, listener: (event: AgentEvents[Name]) => void): () => void
  /** How the session at the hub stands; undefined without a hub. */
  readonly session: LiveSession | undefined
  /** Connects to the hub anew, at once. Throws ERR_NO_SUCH_SESSION without a hub. */
  reconnect(reason: string): void
  /**
   * Stops taking in work, lets turns finish, interrupts the rest when the deadline comes near, sends what is to be sent as far
   * as there is time, and closes. `agent:stop:done` says what was left for the next start.
   */
  close(options?: CloseOptions): Promise<void>
}
