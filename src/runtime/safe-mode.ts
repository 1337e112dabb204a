import type { AgentDefinition } from '../agent/definition.ts'
import { readCount } from '../store/counters.ts'
import type { Reader } from '../store/store.ts'

/** What the agent's own code had as `limits.crashesMax` when it ran last: safe mode does not have that code. */
export const crashesMaxCounter = 'turns.crashes-max'

/**
 * What stands for the definition of an agent in safe mode: it has no handlers, takes whatever state is stored for valid, and
 * has the version that is stored, so that nothing of the state is written. A turn that kills the process is set aside as
 * with the agent's own code.
 */
export function withoutMind({ name, limits }: AgentDefinition, reader: Reader): AgentDefinition {
  return {
    name,
    state: {
      version: readCount(reader, 'state.version'),
      initial: {},
      validate: (value) => value as object,
      migrate: new Map(),
    },
    handlers: { onStart: undefined, onMessage: undefined, onTimer: undefined },
    limits: { ...limits, crashesMax: readCount(reader, crashesMaxCounter) || limits.crashesMax },
  }
}
