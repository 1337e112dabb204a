import { encodeResult, ordinalKey } from '../agent/steps.ts'
import type { EffectTable } from '../agent/effect-ledger.ts'
import { PerduraError } from '../errors.ts'
import type { InboxTable } from '../queue/inbox.ts'
import type { Tx } from '../store/store.ts'
import type { EffectDecision } from './agent.ts'

interface Tables {
  readonly inbox: InboxTable
  readonly effects: EffectTable
}

/** Writes what a person decided about an effect of a parked turn. Returns whether the turn may go on. */
export function decideEffect(
  tx: Tx,
  tables: Tables,
  request: {
    readonly turn: number
    readonly effect: string
    readonly decision: EffectDecision
    readonly now: number
  },
): boolean {
  const { turn, effect, decision, now } = request
  const unknown = [...tables.effects.load(tx, turn).values()].filter(({ status }) => status === 'unknown')
  const row = unknown.find(({ name, occurrence }) => ordinalKey(name, occurrence) === effect)
  if (row === undefined || !isParked(tx, turn)) {
    const names = unknown.map(({ name, occurrence }) => `"${ordinalKey(name, occurrence)}"`)
    const open =
      names.length === 0 ? 'none of its effects waits for a decision' : `it waits for ${names.join(', ')}`
    throw new PerduraError('ERR_NO_SUCH_TURN', `turn ${turn} has no undecided effect "${effect}": ${open}`)
  }
  tables.effects.settle(
    tx,
    { turn, name: row.name, occurrence: row.occurrence },
    decision.outcome === 'done'
      ? { status: 'done', result: encodeResult(`the result of effect "${effect}"`, decision.result) }
      : { status: 'intended', error: 'a person found that it did not happen' },
    now,
  )
  return unparkDecided(tx, tables, turn)
}

/** Takes a parked turn back to the queue if no effect of it is unknown any more. */
export function unparkDecided(tx: Tx, tables: Tables, turn: number): boolean {
  if (!isParked(tx, turn)) return false
  if ([...tables.effects.load(tx, turn).values()].some(({ status }) => status === 'unknown')) return false
  tables.inbox.unpark(tx, turn)
  return true
}

function isParked(tx: Tx, turn: number): boolean {
  return tx.get("SELECT 1 FROM inbox WHERE position = ? AND status = 'parked'", turn) !== undefined
}
