import { createHash } from 'node:crypto'
import { PerduraError } from '../errors.ts'
import type { Reader, Tx } from '../store/store.ts'
import { ordinalKey, type Ordinal } from './steps.ts'

export type EffectPolicy = 'verify' | 'idempotent' | 'unkeyed'

/**
 * `intended`: known not to have happened, may be run. `started`: run, outcome not known yet. `done`, `failed`: known.
 * `unknown`: nobody can tell without a person.
 */
export type EffectStatus = 'intended' | 'started' | 'done' | 'failed' | 'unknown'

export interface EffectRow {
  readonly name: string
  readonly occurrence: number
  readonly key: string
  readonly policy: EffectPolicy
  readonly status: EffectStatus
  readonly runs: number
  readonly result: string | null
  readonly error: string | null
}

/** The effect ledger as rows: what became of each reach outside. */
export interface EffectTable {
  /** Before the effect is run: from here on its outcome may be unknown. */
  start(
    tx: Tx,
    effect: Ordinal,
    how: { readonly key: string; readonly policy: EffectPolicy },
    now: number,
  ): void
  settle(
    tx: Tx,
    effect: Ordinal,
    outcome:
      | { readonly status: 'done'; readonly result: string }
      | { readonly status: 'intended' | 'failed' | 'unknown'; readonly error: string },
    now: number,
  ): void
  /** By `ordinalKey`. */
  load(reader: Reader, turn: number): Map<string, EffectRow>
}

export const effectTable: EffectTable = {
  start(tx, { turn, name, occurrence }, { key, policy }, now) {
    tx.run(
      `INSERT INTO effects (turn, name, occurrence, key, policy, status, runs, intended_at, started_at)
       VALUES (?, ?, ?, ?, ?, 'started', 1, ?, ?)
       ON CONFLICT (turn, name, occurrence) DO UPDATE SET policy = excluded.policy, status = 'started',
         runs = runs + 1, started_at = excluded.started_at, error = NULL`,
      turn,
      name,
      occurrence,
      key,
      policy,
      now,
      now,
    )
  },
  settle(tx, { turn, name, occurrence }, outcome, now) {
    tx.run(
      `UPDATE effects SET status = ?, result = ?, error = ?, finished_at = ?
       WHERE turn = ? AND name = ? AND occurrence = ? AND status NOT IN ('done', 'failed')`,
      outcome.status,
      outcome.status === 'done' ? outcome.result : null,
      outcome.status === 'done' ? null : outcome.error,
      outcome.status === 'intended' ? null : now,
      turn,
      name,
      occurrence,
    )
  },
  load(reader, turn) {
    const rows = reader.all<EffectRow>(
      'SELECT name, occurrence, key, policy, status, runs, result, error FROM effects WHERE turn = ?',
      turn,
    )
    return new Map(rows.map((row) => [ordinalKey(row.name, row.occurrence), row]))
  },
}

/** A UUID (version 8, RFC 9562) that is the same whenever the same parts are given: keys and ids of a turn done again. */
export function derivedId(...parts: readonly (string | number)[]): string {
  const bytes = createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/**
 * Thrown by the `run` of an effect to say that it certainly did not happen and will not (a declined card): final, and
 * not a failure of the turn unless the handler lets it through.
 */
export class EffectRefused extends PerduraError {
  constructor(message: string) {
    super('ERR_EFFECT_REFUSED', message)
    this.name = 'EffectRefused'
  }
}
