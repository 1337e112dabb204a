import { PerduraError } from '../errors.ts'
import type { Json } from '../json.ts'
import type { Reader, Tx } from '../store/store.ts'

/** Why an entry was set aside: enough to understand it and to try again. */
export interface DeadLetterEvidence {
  readonly error: Json
  readonly attempts: number
  readonly failures: number
  readonly crashes: number
  /** Steps that had been recorded, and what the ledger says of the effects. */
  readonly steps: readonly string[]
  readonly effects: readonly { readonly name: string; readonly key: string; readonly status: string }[]
}

/** Sets an entry aside with its evidence; the conversation goes on behind it. */
export function bury(
  tx: Tx,
  position: number,
  reason: string,
  evidence: DeadLetterEvidence,
  now: number,
): void {
  tx.run(
    `UPDATE inbox SET status = 'dead', suspect = 0, failures = ?, crashes = ?, finished_at = ?, error = ?
     WHERE position = ?`,
    evidence.failures,
    evidence.crashes,
    now,
    JSON.stringify(evidence.error),
    position,
  )
  tx.run(
    'INSERT OR REPLACE INTO dead_letters (position, reason, evidence, created_at) VALUES (?, ?, ?, ?)',
    position,
    reason,
    JSON.stringify(evidence),
    now,
  )
}

/** Dead letters after a position, in order. */
export function deadPositions(reader: Reader, after: number, countMax: number): number[] {
  return reader
    .all<{ position: number }>(
      'SELECT position FROM dead_letters WHERE position > ? ORDER BY position LIMIT ?',
      after,
      countMax,
    )
    .map(({ position }) => position)
}

/** Forgets dead letters with all that is on record about them, at most so many; returns how many. */
export function purgeDead(tx: Tx, countMax: number): number {
  const positions = deadPositions(tx, 0, countMax)
  for (const position of positions) forget(tx, position)
  return positions.length
}

/** Removes an entry that is finished, and everything that was recorded of its turn. */
export function forget(tx: Tx, position: number): void {
  tx.run('DELETE FROM inbox WHERE position = ?', position)
  tx.run('DELETE FROM steps WHERE turn = ?', position)
  tx.run('DELETE FROM effects WHERE turn = ?', position)
  tx.run('DELETE FROM dead_letters WHERE position = ?', position)
}

/** Puts a dead letter back at its place, its counts at zero. What it had recorded stays recorded. */
export function exhume(tx: Tx, position: number): void {
  const { changes } = tx.run(
    `UPDATE inbox SET status = 'pending', available_at = 0, failures = 0, crashes = 0, suspect = 0, finished_at = NULL
     WHERE position = ? AND status = 'dead'`,
    position,
  )
  if (changes === 0) {
    throw new PerduraError(
      'ERR_NO_SUCH_TURN',
      `turn ${position} is not a dead letter: see perdura queue list`,
    )
  }
  tx.run('DELETE FROM dead_letters WHERE position = ?', position)
}
