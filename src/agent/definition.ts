import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Json, JsonObject } from '../json.ts'
import type { Log } from '../platform/log.ts'
import type { Priority } from '../queue/priority.ts'

/** What `defineAgent` takes: a name, a state, and what to do with what comes in. */
export interface AgentOptions<
  Schema extends StandardSchemaV1<unknown, object> = StandardSchemaV1<unknown, object>,
> {
  /** 1 to 64 letters, digits, `-` or `_`, starting with a letter or digit: also the name of the agent's folder. */
  readonly name: string
  readonly state?: {
    /** A whole number from 1; raise it when the shape changes. State of a higher version is refused. */
    readonly version: number
    /** Any Standard Schema, synchronous, whose output is JSON that it accepts as input; `{}` must give the first state
     *  unless `initial` is there. */
    readonly schema: Schema
    readonly initial?: StandardSchemaV1.InferInput<Schema>
    /** What makes state of an older version fit, by the version that it comes from. Without an entry it stays as it is. */
    readonly migrate?: Readonly<Record<number, StateMigration>>
  }
  /** Runs once per start of the process, before other turns, as a turn of its own. */
  onStart?(start: Start, ctx: Context<StandardSchemaV1.InferOutput<Schema>>): Promise<void> | void
  onMessage?(message: Message, ctx: Context<StandardSchemaV1.InferOutput<Schema>>): Promise<void> | void
  onTimer?(timer: FiredTimer, ctx: Context<StandardSchemaV1.InferOutput<Schema>>): Promise<void> | void
  readonly limits?: Partial<TurnLimits>
}

/**
 * Takes the state as some version left it to the next version: changes it, or returns another one. Synchronous and pure: it
 * runs before the first turn of a new version, and again where that start did not come to its end.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- what an older version stored, nothing describes any more
export type StateMigration = (state: any) => object | void

export interface TurnLimits {
  /** Turns side by side, each of another conversation. Default 8, bounds 1 to 64. */
  readonly turnsMax: number
  /** Time for one attempt of one turn, ms. Default 600,000 (ten minutes); 100 to 86,400,000. Too short a time fails work that
   *  would have succeeded; too long a time hides a hang from everybody waiting in the same conversation. */
  readonly turnTimeoutMs: number
  /** Failed attempts after which an entry becomes a dead letter. Default 5; 1 to 100. */
  readonly failuresMax: number
  /** Deaths of the process with only this turn running, after which the entry becomes a dead letter. Default 5; 1 to 100. */
  readonly crashesMax: number
  /** Delay before the second attempt, ms; doubles up to `retryDelayMaxMs`, jitter included. Default 1,000; 0 to 3,600,000. */
  readonly retryDelayMs: number
  /** Default 300,000; `retryDelayMs` to 86,400,000. */
  readonly retryDelayMaxMs: number
  /** Automatic answers to automatic answers, before a further one is refused with ERR_HOPS. Default 8; 1 to 100. */
  readonly hopsMax: number
}

/** Something that came in and is to be handled once. */
export interface Message {
  /** Unique together with `from`: what the sender calls it. */
  readonly id: string
  readonly from: string
  readonly conversation: string
  /** The payload's text: the payload itself where it is a string, its `text` where it has one, else its JSON. */
  readonly text: string
  readonly payload: Json
  /** Wall-clock ms when it was committed to the inbox. */
  readonly receivedAt: number
  /** How many automatic answers led to this one; 0 for what a person or a program sent. */
  readonly hops: number
  /** The `id` of the message that this one answers. */
  readonly inReplyTo: string | undefined
}

export interface FiredTimer {
  readonly id: string
  readonly conversation: string
  /** What was given to `schedule`. Nothing describes its type but the code that scheduled it. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the one place where the user's own data comes back undescribed
  readonly payload: any
  readonly dueAt: number
  /** How late it fires, ms: large when the agent was not running at the time. */
  readonly lateMs: number
}

export interface Start {
  /** True only at the very first start of this agent. */
  readonly first: boolean
  /** How the process before ended. */
  readonly previous: 'none' | 'clean' | 'killed'
}

/** What a turn can do. Everything but `step` and `effect` takes effect when the turn ends, in one transaction. */
export interface Context<State extends object> {
  readonly agent: { readonly name: string; readonly id: string }
  /** `id` is the entry's position in the inbox; `attempt` counts from 1. */
  readonly turn: { readonly id: number; readonly attempt: number }
  /** The state as it was when the turn began. If another turn changes what this one read, this one runs again. */
  readonly state: Readonly<State>
  /** Aborts when the turn times out or the agent stops. */
  readonly signal: AbortSignal
  readonly log: Log
  readonly memory: Memory
  /** Wall-clock ms; simulated in a simulation. */
  now(): number
  /** A pure function of the newest state, applied when the turn commits: change the draft, or return a new state. */
  update(change: (state: State) => State | void): void
  /** Runs `run` until its result (JSON) is recorded, and never after. The same name again is another occurrence. */
  step<T>(name: string, run: (step: { readonly signal: AbortSignal }) => Promise<T> | T): Promise<T>
  /** Reaches outside: once if it can be keyed or checked, else at most once. */
  effect<T>(name: string, effect: EffectOptions<T>): Promise<T>
  /** Answers the sender of the message (of the conversation, in a timer's turn). */
  reply(content: Json, options?: SendOptions): Promise<void>
  send(to: string, content: Json, options?: SendOptions): Promise<void>
  /** Wakes this agent after a delay (`'24h'`, ms) or at a date; resolves to the timer's id. */
  schedule(when: string | number | Date, payload?: Json): Promise<string>
  /** Cancels a timer that has not fired. */
  cancel(timerId: string): Promise<void>
}

export interface SendOptions {
  readonly conversation?: string
  /** Which goes first of what waits to be sent; within a conversation order is kept. Default `normal`. */
  readonly priority?: Priority
  /** How long it is good for, as a duration (`'30s'`, ms) from the end of the turn: not sent by then, it expires. */
  readonly ttl?: string | number
}

export interface EffectOptions<T> {
  /** Does it. `key` is the same for every attempt of this effect: give it to the other side as idempotency key. */
  run(effect: { readonly key: string; readonly signal: AbortSignal }): Promise<T> | T
  /** Looks whether it was done: the result if so, undefined if certainly not. Throws when it cannot tell. */
  verify?(effect: {
    readonly key: string
    readonly signal: AbortSignal
  }): Promise<T | undefined> | T | undefined
  /** The other side does it once per key, so that it may be asked again. */
  readonly idempotent?: boolean
  /** No two hosts may do it: needs a lease where the agent is known to a hub. Without a hub the host's lock is the lease. */
  readonly exclusive?: boolean
}

/** Notes that outlive everything; found by full text. */
export interface Memory {
  /** Keeps a text (1 to 10,000 characters) when the turn commits; resolves to the note's id. */
  remember(text: string): Promise<number>
  /** Notes that match, best first (committed ones only). `limit` defaults to 5, at most 100. */
  recall(query: string, limit?: number): Promise<Note[]>
  /** Newest first. `limit` defaults to 20, at most 1,000. */
  list(limit?: number): Promise<Note[]>
  /** Forgets notes for good when the turn commits. */
  forget(ids: readonly number[]): Promise<void>
}

export interface Note {
  readonly id: number
  readonly text: string
  readonly createdAt: number
}

/** A definition that was checked; made by `defineAgent`. */
export interface AgentDefinition<State extends object = object> {
  readonly name: string
  readonly state: {
    readonly version: number
    readonly validate: (value: unknown) => State
    readonly initial: unknown
    readonly migrate: ReadonlyMap<number, StateMigration>
  }
  readonly handlers: {
    readonly onStart: ((start: Start, ctx: Context<State>) => Promise<void> | void) | undefined
    readonly onMessage: ((message: Message, ctx: Context<State>) => Promise<void> | void) | undefined
    readonly onTimer: ((timer: FiredTimer, ctx: Context<State>) => Promise<void> | void) | undefined
  }
  readonly limits: TurnLimits
}

export type { Json, JsonObject }
