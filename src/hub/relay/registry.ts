import type { CloseReason } from '../../protocol/close-codes.ts'
import type { DrainCourse } from './drain.ts'

/** A connection of any kind whose token was good. */
export interface Member {
  readonly aiId: number
  /** The login that it stands on now: another one once it was refreshed with a token of that. */
  readonly sid: string
  /** A socket of v1, to which nothing can be said that its client would understand. */
  readonly isPlain: boolean
  /** What was sent and is not read. */
  readonly bufferedBytes: number
  close(reason: CloseReason, text: string): void
  /** Ends it because it is not read: its peer may come back. */
  shed(): void
  /** The hub goes away for a while. */
  drain(course: DrainCourse): void
}

/** A connection over which an agent has its session. */
export interface LiveSession {
  readonly instance: string
  readonly generation: number
  /** There may be something new in the agent's stream. */
  wake(): void
  /** Whether anything comes back within `withinMs`. */
  answers(withinMs: number): Promise<boolean>
  /** Another connection has taken its place. */
  replace(by: { readonly instance: string }): void
  /** Something was decided about the session: to look it up and to act on it. */
  recheck(): void
}

/** A plain v1 socket: best effort, and as many of one agent as there are. */
export interface Listener {
  readonly isAsleep: boolean
  wake(): void
  /** The agent has done something. */
  active(): void
}

/**
 * Which connections this process has. Nothing depends on it being complete: it says who is to be woken, so that a message
 * arrives at once and not with the next look, and what is asked of a holder it cannot answer counts as gone.
 */
export class Registry {
  readonly #sessions = new Map<number, LiveSession>()
  readonly #listeners = new Map<number, Set<Listener>>()
  readonly #members = new Map<number, Set<Member>>()
  #connectionCount = 0

  /** WebSockets of any kind. */
  get connectionCount(): number {
    return this.#connectionCount
  }

  get sessionCount(): number {
    return this.#sessions.size
  }

  session(aiId: number): LiveSession | undefined {
    return this.#sessions.get(aiId)
  }

  /** False where one of a higher generation is there already. */
  enter(aiId: number, session: LiveSession): boolean {
    const before = this.#sessions.get(aiId)
    if (before !== undefined && before.generation > session.generation) return false
    this.#sessions.set(aiId, session)
    before?.replace(session)
    return true
  }

  leave(aiId: number, session: LiveSession): void {
    if (this.#sessions.get(aiId) === session) this.#sessions.delete(aiId)
  }

  /** Returns what takes it out again, which may be called more than once. */
  listen(aiId: number, listener: Listener): () => void {
    return addTo(this.#listeners, aiId, listener)
  }

  /** Returns what takes it out again, which may be called more than once. */
  join(member: Member): () => void {
    const leave = addTo(this.#members, member.aiId, member)
    let isIn = true
    this.#connectionCount += 1
    return () => {
      leave()
      if (isIn) this.#connectionCount -= 1
      isIn = false
    }
  }

  /** All connections, or those of an agent. */
  members(aiId?: number): Member[] {
    const groups = aiId === undefined ? [...this.#members.values()] : [this.#members.get(aiId) ?? []]
    return groups.flatMap((group) => [...group])
  }

  /** Agents with a connection of any kind. */
  present(): number[] {
    return [...new Set([...this.#sessions.keys(), ...this.#listeners.keys()])].toSorted((a, b) => a - b)
  }

  /** Whether it has nothing but sockets of v1 on which nothing was said for long. */
  isAsleep(aiId: number): boolean {
    const listeners = [...(this.#listeners.get(aiId) ?? [])]
    return !this.#sessions.has(aiId) && listeners.length > 0 && listeners.every(({ isAsleep }) => isAsleep)
  }

  active(aiId: number): void {
    for (const listener of this.#listeners.get(aiId) ?? []) listener.active()
  }

  wake(aiIds: readonly number[]): void {
    for (const aiId of aiIds) {
      this.#sessions.get(aiId)?.wake()
      for (const listener of this.#listeners.get(aiId) ?? []) listener.wake()
    }
  }
}

/** Returns what takes it out again. By then another set may have taken the place of one that had become empty. */
function addTo<Item>(groups: Map<number, Set<Item>>, aiId: number, item: Item): () => void {
  const group = groups.get(aiId) ?? new Set()
  groups.set(aiId, group.add(item))
  return () => {
    group.delete(item)
    if (group.size === 0 && groups.get(aiId) === group) groups.delete(aiId)
  }
}
