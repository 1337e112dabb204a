import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Task } from './plan.ts'

/** What the agent under test adds up; a model of it is computed from the plan alone. */
export interface ChaosState {
  starts: number
  handled: number
  /** The sum of the numbers of the chained tasks, each added to what the turn had read. */
  chained: number
  timers: number
  /** Turns that committed although what they had read was not the newest. */
  inconsistencies: number
  conversations: Record<string, { count: number; digest: number }>
}

export const initialState: ChaosState = {
  starts: 0,
  handled: 0,
  chained: 0,
  timers: 0,
  inconsistencies: 0,
  conversations: {},
}

/** A Standard Schema without a library: what is tested is not a validator, and a start should be quick. */
export const schema: StandardSchemaV1<ChaosState, ChaosState> = {
  '~standard': { version: 1, vendor: 'chaos', validate: (value) => ({ value: value as ChaosState }) },
}

/** Counts a task in. The digest of a conversation depends on the order of its tasks. */
export function countIn(state: ChaosState, { conversation, n }: Task): void {
  const { count, digest } = state.conversations[conversation] ?? { count: 0, digest: 0 }
  state.conversations[conversation] = { count: count + 1, digest: (digest * 31 + n) % 1_000_003 }
  state.handled += 1
}

export function totalOf(state: Readonly<ChaosState>): number {
  return Object.values(state.conversations).reduce((sum, { count }) => sum + count, 0)
}

/** The state after all tasks, whatever happened on the way; `starts` is nobody's promise. */
export function modelState(tasks: readonly Task[]): Omit<ChaosState, 'starts'> {
  const state = structuredClone(initialState)
  for (const task of tasks) {
    countIn(state, task)
    if (task.chained) state.chained += task.n
    if (task.timerMs !== null) state.timers += 1
  }
  const { starts: _, ...model } = state
  return model
}
