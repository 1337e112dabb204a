/** How the session stands; `Session` explains each of them. */
export type SessionState =
  | 'idle'
  | 'connecting'
  | 'resuming'
  | 'online'
  | 'backing-off'
  | 'suspended'
  | 'stopped'

/** Where each state may lead. What is not in it is a bug, and no state of affairs. */
const leadsTo: Readonly<Record<SessionState, readonly SessionState[]>> = {
  idle: ['connecting', 'stopped'],
  // To `connecting` at once where another address, or another way of speaking, has not been tried.
  connecting: ['connecting', 'resuming', 'online', 'backing-off', 'suspended', 'stopped'],
  resuming: ['connecting', 'online', 'backing-off', 'suspended', 'stopped'],
  online: ['connecting', 'backing-off', 'suspended', 'stopped'],
  // To itself where the next attempt is brought forward.
  'backing-off': ['backing-off', 'connecting', 'stopped'],
  suspended: ['backing-off', 'connecting', 'stopped'],
  stopped: [],
}

/** What the reason of a session says that makes no more attempts by itself. */
export const gaveUp = 'It has given up'

/** One step of the session, and why it was taken. */
export interface StateChange {
  readonly from: SessionState
  readonly to: SessionState
  readonly reason: string
}

/** The state, and the only way to change it. */
export class SessionStates {
  readonly #onChange: (change: StateChange) => void
  #current: SessionState = 'idle'
  #reason = 'not started'

  constructor(onChange: (change: StateChange) => void) {
    this.#onChange = onChange
  }

  get current(): SessionState {
    return this.#current
  }

  /** Why it is in this state. */
  get reason(): string {
    return this.#reason
  }

  enter(to: SessionState, reason: string): void {
    const from = this.#current
    if (!leadsTo[from].includes(to)) throw new Error(`the session cannot go from ${from} to ${to}: ${reason}`)
    this.#current = to
    this.#reason = reason
    this.#onChange({ from, to, reason })
  }
}
