import type { AgentDefinition } from '../agent/definition.ts'
import { effectTable, type EffectTable } from '../agent/effect-ledger.ts'
import type { NoteSearch } from '../agent/notes.ts'
import { AgentState } from '../agent/state.ts'
import { stepTable, type StepTable } from '../agent/steps.ts'
import { timerTable, type TimerTable } from '../agent/timers.ts'
import type { Log } from '../platform/log.ts'
import type { Platform } from '../platform/platform.ts'
import { inboxTable, type InboxTable } from '../queue/inbox.ts'
import type { Outgoing, Verdict } from '../queue/outbox.ts'
import type { DatabaseFiles } from '../store/database.ts'
import { openStore, type StoreLimits } from '../store/open-store.ts'
import type { Reader } from '../store/store.ts'
import { checkAgentLimits, type AgentLimits } from './agent-limits.ts'
import type { Agent } from './agent.ts'
import { RunningAgent } from './running-agent.ts'
import { startAgent } from './start.ts'

/** The parts that an agent is made of; a simulation can swap one for a broken one, to see that it notices. */
export interface AgentParts {
  readonly openStore: typeof openStore
  readonly inbox: InboxTable
  readonly steps: StepTable
  readonly effects: EffectTable
  readonly timers: TimerTable
  readonly loadState: typeof AgentState.load
}

export const agentParts: AgentParts = {
  openStore,
  inbox: inboxTable,
  steps: stepTable,
  effects: effectTable,
  timers: timerTable,
  loadState: (reader, definition) => AgentState.load(reader, definition),
}

export interface AssembleOptions {
  readonly definition: AgentDefinition
  readonly folder: string
  readonly files: DatabaseFiles
  readonly platform: Pick<Platform, 'clock' | 'random' | 'disk' | 'process'>
  readonly log: Log
  /** Full-text search over the notes that the reader shows. */
  readonly openSearch: (reader: Reader) => NoteSearch & { close(): void }
  /** Where messages to other agents go. */
  readonly deliver: (message: Outgoing) => Promise<Verdict>
  readonly limits?: Partial<AgentLimits>
  readonly store?: Partial<StoreLimits>
  readonly parts?: AgentParts
}

/** Opens an agent's store, recovers, and sets it to work: what every agent process does, real or simulated. */
export async function assembleAgent(options: AssembleOptions): Promise<Agent> {
  const { definition, folder, platform, log } = options
  const { clock, random } = platform
  const parts = options.parts ?? agentParts
  const limits = checkAgentLimits(options.limits ?? {})
  const startedMs = clock.monotonicMs()
  const { store, recovered } = await parts.openStore({
    folder,
    files: options.files,
    ...platform,
    log,
    ...(options.store === undefined ? {} : { limits: options.store }),
  })
  let search: ReturnType<AssembleOptions['openSearch']> | undefined
  try {
    search = options.openSearch(store.reader)
    const state = parts.loadState(store.reader, definition)
    const start = await startAgent({ store, recovered, definition, state, parts, clock, random })
    const agent = new RunningAgent({
      definition,
      folder,
      clock,
      random,
      log: log.with({ agent: definition.name }),
      limits,
      parts,
      store,
      search,
      state,
      start,
      recovered: { ...recovered, previous: start.previous, interruptedTurns: start.interrupted },
      deliver: options.deliver,
    })
    agent.begin(Math.round(clock.monotonicMs() - startedMs))
    return agent
  } catch (error) {
    search?.close()
    await store.close()
    throw error
  }
}
