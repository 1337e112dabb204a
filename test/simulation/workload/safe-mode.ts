import { defineAgent } from '../../../src/index.ts'
import type { AgentDefinition } from '../../../src/agent/definition.ts'
import type { Incarnation } from '../../../src/testing/index.ts'
import type { World } from './world.ts'

/** What an agent's code may have become when it is opened in safe mode: nothing of it is to be called. */
export function hostileMind(world: World): AgentDefinition {
  let defined = false
  const called = (what: string): void => world.violate('safe-mode-rests', `${what} was called in safe mode`)
  const mind = defineAgent({
    name: 'Ada',
    limits: { crashesMax: 1, failuresMax: 1 },
    state: {
      version: 9,
      schema: {
        '~standard': {
          version: 1,
          vendor: 'simulation',
          validate(value: unknown) {
            if (defined) called('the schema')
            return { value: value as object }
          },
        },
      },
    },
    onStart: () => called('onStart'),
    onMessage: () => called('onMessage'),
    onTimer: () => called('onTimer'),
  })
  defined = true
  return mind as unknown as AgentDefinition
}

interface Kept {
  readonly state: string
  readonly timers: string
  readonly finished: number
}

/** Whether what an agent has is the same at the end of its safe mode as at the beginning. */
export class SafeModeCheck {
  readonly #world: World
  readonly #kept = new Map<Incarnation, Kept>()

  constructor(world: World) {
    this.#world = world
  }

  began(incarnation: Incarnation): void {
    const kept = keptBy(incarnation)
    if (kept !== undefined) this.#kept.set(incarnation, kept)
  }

  ends(incarnation: Incarnation): void {
    const [before, after] = [this.#kept.get(incarnation), keptBy(incarnation)]
    if (before === undefined || after === undefined) return
    for (const what of ['state', 'timers', 'finished'] as const) {
      if (before[what] === after[what]) continue
      this.#world.violate(
        'safe-mode-rests',
        `${what} changed in safe mode: ${String(before[what])}, then ${String(after[what])}`,
      )
    }
  }
}

function keptBy({ agent, safeMode }: Incarnation): Kept | undefined {
  if (agent === undefined || !safeMode) return undefined
  const rows = (sql: string): string => JSON.stringify(agent.reader.all(sql))
  return {
    state: rows(`SELECT key, value FROM state UNION ALL
      SELECT name, value FROM counters WHERE name = 'state.version' ORDER BY 1`),
    timers: rows('SELECT id, due_at FROM timers ORDER BY id'),
    finished: agent.reader.all("SELECT position FROM inbox WHERE status IN ('done', 'running')").length,
  }
}
