import type { AgentDefinition } from '../../../src/agent/definition.ts'
import type { AgentState } from '../../../src/agent/state.ts'
import { agentParts as parts } from '../../../src/runtime/parts.ts'
import { setCount } from '../../../src/store/counters.ts'
import type { Tx } from '../../../src/store/store.ts'
import type { Swaps } from '../../../src/testing/index.ts'
import { withParts, type Mutant } from './swap.ts'

export const stateMutants: readonly Mutant[] = [
  {
    name: 'migrates its state and forgets that it did',
    caughtBy: ['migrated-once'],
    swaps: () =>
      withStore((state, before) => (tx) => {
        state.store(tx)
        if (before > 0) setCount(tx, 'state.version', before)
      }),
  },
  {
    name: 'notes that it migrated its state, and forgets what came of it',
    caughtBy: ['migrated-once'],
    swaps: () =>
      withStore((state, before, version) => (tx) => {
        if (before === 0) state.store(tx)
        else setCount(tx, 'state.version', version)
      }),
  },
  {
    name: 'goes on without a step that fails',
    caughtBy: ['migrated-once'],
    swaps: () =>
      withSteps((step) => (state) => {
        try {
          return step(state)
        } catch {
          return undefined
        }
      }),
  },
  {
    name: 'takes only the last step',
    caughtBy: ['migrated-once'],
    swaps: () => withSteps((step, from, version) => (from === version - 1 ? step : () => undefined)),
  },
]

/** Changes how what was loaded is stored; `before` is the version that was stored, 0 for none. */
function withStore(
  change: (state: Pick<AgentState, 'store'>, before: number, version: number) => AgentState['store'],
): Swaps {
  return withParts({
    loadState(reader, definition) {
      const state = parts.loadState(reader, definition)
      const store = (tx: Tx): void => Object.getPrototypeOf(state).store.call(state, tx)
      const row = reader.get<{ value: number }>("SELECT value FROM counters WHERE name = 'state.version'")
      state.store = change({ store }, row?.value ?? 0, definition.state.version)
      return state
    },
  })
}

type Step = (state: object) => object | void

function withSteps(change: (step: Step, from: number, version: number) => Step): Swaps {
  return withParts({
    loadState(reader, definition) {
      const { state } = definition
      const migrate = new Map(
        [...state.migrate].map(([from, step]) => [from, change(step, from, state.version)]),
      )
      const changed: AgentDefinition = { ...definition, state: { ...state, migrate } }
      return parts.loadState(reader, changed)
    },
  })
}
