import type { JsonObject } from '../json.ts'

/** What the daemon does with a child when somebody asks for it. */
export const childActions = ['start', 'stop', 'restart', 'reload', 'forget'] as const
export type ChildAction = (typeof childActions)[number]

/**
 * The processes that a daemon keeps running, as whoever composes it has them: the daemon itself knows nothing of agents and
 * hubs. A child is named by its key, such as `agent:Ada` or `hub`.
 */
export interface Children {
  /**
   * Goes on with those that live, and starts those that are to; called once, when they can reach the daemon. Resolves when each
   * start that was due has been made.
   */
  open(): Promise<void>
  /** Whether they are still looked after: false where the daemon's loop turns, and nobody looks. */
  readonly attended: boolean
  /** How they are, in one line. */
  readonly summary: string
  /** Longest time that `stop` takes, ms. */
  readonly stopMs: number
  list(): readonly JsonObject[]
  /** Undefined where there is none of that key. */
  show(child: string): JsonObject | undefined
  /**
   * Begins to; resolves to how the child is then. What it leads to is to be looked for. Throws what is to be answered,
   * ERR_NO_SUCH_CHILD where there is no such child and none is made by this.
   */
  act(child: string, action: ChildAction, body: JsonObject): Promise<JsonObject> | JsonObject
  /** Reads its settings again, and has every child do so. */
  reload(): void
  /** Resolves when no process is left. They are wanted all the same, by the next daemon. */
  stop(): Promise<void>
  /** Has every process end without waiting for what it is doing. */
  hurry(): void
  /** Kills what still stops. */
  kill(): void
  /** Lets go of them as they are. */
  leave(): void
}
