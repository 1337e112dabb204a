import type { AgentDefinition } from '../agent/definition.ts'
import type { NoteSearch } from '../agent/notes.ts'
import type { Log } from '../platform/log.ts'
import type { Platform } from '../platform/platform.ts'
import type { Outgoing, Verdict } from '../queue/outbox.ts'
import type { CopySource } from '../store/copy-source.ts'
import type { DatabaseFiles } from '../store/database.ts'
import type { StoreLimits } from '../store/open-store.ts'
import type { Reader } from '../store/store.ts'
import { checkAgentLimits, type AgentLimits } from './agent-limits.ts'
import type { Agent } from './agent.ts'
import type { HealthOptions } from './agent-health.ts'
import type { HubOptions } from './hub/hub-link.ts'
import { agentParts, type AgentParts } from './parts.ts'
import { RunningAgent } from './running-agent.ts'
import { startAgent } from './start.ts'

export interface AssembleOptions {
  readonly definition: AgentDefinition
  /** Its mind is off: nothing of the definition is called, and no turn is begun. */
  readonly safeMode?: boolean
  readonly folder: string
  readonly files: DatabaseFiles
  readonly platform: Pick<Platform, 'clock' | 'random' | 'disk' | 'process'>
  readonly log: Log
  /** Full-text search over the notes that the reader shows. */
  readonly openSearch: (reader: Reader) => NoteSearch & { close(): void }
  /** Called once the agent is this process's alone, before anything is done in it; throws where it is not to run here. */
  readonly admit?: () => void
  /** The hub to be at; asked for once the agent is this process's alone. */
  readonly openHub?: () => HubOptions
  /** Where messages to other agents go without a hub. */
  readonly deliver: (message: Outgoing) => Promise<Verdict>
  readonly limits?: Partial<AgentLimits>
  /** What its health is found out with; without it nothing looks after it. */
  readonly health?: HealthOptions
  readonly store?: Partial<StoreLimits>
  /** Its backups, for when its folder has lost its database. */
  readonly copies?: CopySource
  readonly parts?: AgentParts
}

/** Opens an agent's store, recovers, and sets it to work: what every agent process does, real or simulated. */
export async function assembleAgent(options: AssembleOptions): Promise<Agent> {
  const { folder, platform, log, safeMode = false } = options
  const { clock, random } = platform
  const parts = options.parts ?? agentParts
  const limits = checkAgentLimits(options.limits ?? {})
  const startedMs = clock.monotonicMs()
  const { store, recovered } = await parts.openStore({
    folder,
    files: options.files,
    ...platform,
    log,
    onCommitted: (durationMs) => options.health?.times.commit.add(durationMs / 1_000),
    ...(options.store === undefined ? {} : { limits: options.store }),
    ...(options.copies === undefined ? {} : { copies: options.copies }),
  })
  let search: ReturnType<AssembleOptions['openSearch']> | undefined
  try {
    options.admit?.()
    search = options.openSearch(store.reader)
    const definition = safeMode ? parts.withoutMind(options.definition, store.reader) : options.definition
    const state = parts.loadState(store.reader, definition)
    const start = await startAgent({ store, recovered, definition, safeMode, state, parts, clock, random })
    const agent = new RunningAgent({
      definition,
      safeMode,
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
      hub: options.openHub?.(),
      deliver: options.deliver,
      health: options.health,
    })
    agent.begin(Math.round(clock.monotonicMs() - startedMs))
    return agent
  } catch (error) {
    search?.close()
    await store.close()
    throw error
  }
}
