import type { AgentDefinition } from '../agent/definition.ts'
import type { AgentState } from '../agent/state.ts'
import { recoverInterrupted } from '../agent/recover-interrupted.ts'
import { PerduraError } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { terminal } from '../queue/outbox.ts'
import { readCount, setCount } from '../store/counters.ts'
import type { StoreRecovery } from '../store/open-store.ts'
import type { Store, Tx } from '../store/store.ts'
import type { AgentParts } from './parts.ts'
import { crashesMaxCounter } from './safe-mode.ts'

export interface Started {
  readonly agentId: string
  readonly previous: 'none' | 'clean' | 'killed'
  /** Turns that were running when the process before ended, and those of them that were set aside. */
  readonly interrupted: number
  readonly dead: readonly number[]
  /** The last thing that a process writes when it ends as it should. */
  readonly markClean: (tx: Tx) => void
}

const runningCounter = 'process.running'
/** The agent came to be in safe mode: its first start with a mind is still to come. */
const firstDueCounter = 'process.first-start-due'

/** The first transaction of a process: who the agent is, how the process before ended, and what it left undone. */
export async function startAgent(options: {
  readonly store: Store
  readonly recovered: Pick<StoreRecovery, 'replayedRecords' | 'tornBytes'>
  readonly definition: AgentDefinition
  readonly safeMode: boolean
  readonly state: AgentState
  readonly parts: Pick<AgentParts, 'inbox' | 'effects'>
  readonly clock: Clock
  readonly random: Random
}): Promise<Started> {
  const { store, recovered, definition, safeMode, state, parts, clock, random } = options
  return store.write((tx) => {
    const now = clock.now()
    const identity = tx.get<{ agent_id: string; name: string }>('SELECT agent_id, name FROM identity')
    if (identity !== undefined && identity.name !== definition.name) {
      throw new PerduraError(
        'ERR_DEFINITION',
        `the folder belongs to agent ${identity.name}, and the definition is of ${definition.name}: give each its own name`,
      )
    }
    const agentId = identity?.agent_id ?? random.uuid()
    if (identity === undefined) {
      tx.run(
        'INSERT INTO identity (id, agent_id, name, created_at) VALUES (1, ?, ?, ?)',
        agentId,
        definition.name,
        now,
      )
    }
    const previous =
      identity === undefined ? 'none' : readCount(tx, runningCounter) === 0 ? 'clean' : 'killed'
    setCount(tx, runningCounter, 1)
    if (readCount(tx, 'state.version') !== definition.state.version) state.store(tx)
    const { crashesMax } = definition.limits
    if (readCount(tx, crashesMaxCounter) !== crashesMax) setCount(tx, crashesMaxCounter, crashesMax)
    const { interrupted, dead } = recoverInterrupted(tx, parts.inbox, {
      // The journal is written before the database: what only it has is a commit that was not finished.
      diedInCommit: recovered.replayedRecords > 0 || recovered.tornBytes > 0,
      crashesMax,
      now,
    })
    freeCheckable(tx, parts)
    const first = identity === undefined || readCount(tx, firstDueCounter) > 0
    if (first) setCount(tx, firstDueCounter, safeMode ? 1 : 0)
    if (definition.handlers.onStart !== undefined)
      ensureStartEntry(tx, parts, { first, previous }, random.uuid(), now)
    return { agentId, previous, interrupted, dead, markClean: (last) => setCount(last, runningCounter, 0) }
  })
}

/**
 * A turn that was parked because a checkable effect did not come to an end may go on in a new process: nothing of the
 * old one can be under way any more, so the effect can be checked, or asked for again.
 */
function freeCheckable(tx: Tx, parts: Pick<AgentParts, 'inbox' | 'effects'>): void {
  for (const { position } of tx.all<{ position: number }>(
    "SELECT position FROM inbox WHERE status = 'parked'",
  )) {
    const unknown = [...parts.effects.load(tx, position).values()].filter(
      ({ status }) => status === 'unknown',
    )
    if (unknown.some(({ policy }) => policy === 'unkeyed')) continue
    tx.run(
      "UPDATE effects SET status = 'started', finished_at = NULL WHERE turn = ? AND status = 'unknown'",
      position,
    )
    parts.inbox.unpark(tx, position)
  }
}

/** One turn per start; one that a start before left undone serves for this one too. */
function ensureStartEntry(
  tx: Tx,
  parts: Pick<AgentParts, 'inbox'>,
  start: { readonly first: boolean; readonly previous: string },
  id: string,
  now: number,
): void {
  const open = tx.get(
    "SELECT 1 FROM inbox WHERE kind = 'start' AND status IN ('pending', 'running', 'parked')",
  )
  if (open !== undefined) return
  parts.inbox.accept(
    tx,
    {
      kind: 'start',
      source: 'start',
      id,
      sender: terminal,
      conversation: 'start',
      payload: { ...start },
      hops: 0,
      inReplyTo: undefined,
    },
    now,
  )
}
