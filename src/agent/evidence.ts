import type { Json } from '../json.ts'
import type { DeadLetterEvidence } from '../queue/dead-letters.ts'
import type { InboxEntry } from '../queue/inbox.ts'
import type { Tx } from '../store/store.ts'
import { ordinalKey } from './steps.ts'

/** What is kept of a turn that is set aside, for whoever looks into it. */
export function gatherEvidence(tx: Tx, entry: InboxEntry, error: Json): DeadLetterEvidence {
  const steps = tx.all<{ name: string; occurrence: number }>(
    'SELECT name, occurrence FROM steps WHERE turn = ? ORDER BY recorded_at',
    entry.position,
  )
  const effects = tx.all<{ name: string; occurrence: number; key: string; status: string }>(
    'SELECT name, occurrence, key, status FROM effects WHERE turn = ? ORDER BY intended_at',
    entry.position,
  )
  return {
    error,
    attempts: entry.attempts,
    failures: entry.failures,
    crashes: entry.crashes,
    steps: steps.map(({ name, occurrence }) => ordinalKey(name, occurrence)),
    effects: effects.map(({ name, occurrence, key, status }) => ({
      name: ordinalKey(name, occurrence),
      key,
      status,
    })),
  }
}

/** An error as evidence: name, code, message and stack, bounded. */
export function describe(error: Error): Json {
  return {
    name: error.name,
    code: (error as { code?: string }).code ?? null,
    message: error.message.slice(0, 2_000),
    stack: (error.stack ?? '').slice(0, 8_000),
  }
}
