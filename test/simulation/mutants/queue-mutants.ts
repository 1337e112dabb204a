import { expireDue, type ExpiredMessage } from '../../../src/queue/outbox-expiry.ts'
import { nextWaiting } from '../../../src/queue/outbox-line.ts'
import { outboxParts, type OutboxParts } from '../../../src/queue/outbox-parts.ts'
import { pauseTable } from '../../../src/queue/pauses.ts'
import { StoredSession, type StoredSessionOptions } from '../../../src/runtime/hub/session-store.ts'
import type { Tx } from '../../../src/store/store.ts'
import type { WireSwaps } from '../wire/machines.ts'
import type { WireMutant } from './wire-mutants.ts'

const withOutbox = (broken: Partial<OutboxParts>): WireSwaps => ({
  agent: { outbox: { ...outboxParts, ...broken } },
})

const withStore = (createSessionStore: (options: StoredSessionOptions) => StoredSession): WireSwaps => ({
  agent: { createSessionStore },
})

/** Agents whose queues have one part replaced by a broken one. */
export const queueMutants: readonly WireMutant[] = [
  {
    name: 'an outbox that gives numbers when a message is committed, connected or not',
    caughtBy: ['numbers-in-time'],
    mishaps: { urgency: true, windowMax: 256 },
    swaps: () => withStore((options) => new NumbersAtOnce(options)),
  },
  {
    name: 'an outbox in which what is urgent overtakes within its conversation',
    caughtBy: ['order'],
    mishaps: { urgency: true, windowMax: 1, retries: 0 },
    swaps: () =>
      withOutbox({
        nextWaiting: (reader, { to }) =>
          reader.get(
            `SELECT sequence, recipient, size_bytes, expires_at FROM outbox
             WHERE status = 'pending' AND ordinal IS NULL AND recipient <> 'you' AND recipient = coalesce(?, recipient)
             ORDER BY priority, sequence LIMIT 1`,
            to ?? null,
          ),
      }),
  },
  {
    name: 'an outbox in which what is not urgent waits for ever',
    caughtBy: ['priority'],
    mishaps: { urgency: true, windowMax: 1 },
    swaps: () =>
      withOutbox({ nextWaiting: (reader, options) => nextWaiting(reader, { ...options, turn: 1 }) }),
  },
  {
    name: 'an outbox that goes by age alone',
    caughtBy: ['priority'],
    mishaps: { urgency: true, windowMax: 1 },
    swaps: () =>
      withOutbox({ nextWaiting: (reader, options) => nextWaiting(reader, { ...options, turn: 8 }) }),
  },
  {
    name: 'an outbox that expires what has a number',
    caughtBy: ['expired-final', 'delivered-once'],
    mishaps: { urgency: true, hubRestores: 0, agentRestores: 0, clones: 0, delayMsMax: 1_000, windowMax: 2 },
    swaps: () =>
      withOutbox({
        expireDue: (tx, options) => [...expireDue(tx, options), ...expireNumbered(tx, options.now)],
      }),
  },
  {
    name: 'an outbox that expires what will be due soon',
    caughtBy: ['expires-in-time'],
    mishaps: { urgency: true, partitions: 4, windowMax: 1, clones: 0 },
    swaps: () =>
      withOutbox({
        expireDue: (tx, options) => expireDue(tx, { ...options, now: options.now + 15_000 }),
      }),
  },
  {
    name: 'an owner who sends a dead letter again under its old id',
    caughtBy: ['converges'],
    mishaps: { retries: 2, waitingMax: 2, agentRestores: 0, clones: 0, hubRestores: 0 },
    swaps: () => withOutbox({ resent: (letter) => ({ ...outboxParts.resent(letter), id: letter.id }) }),
  },
  {
    name: 'an agent that forgets at its start that it is paused',
    caughtBy: ['paused'],
    mishaps: { pauses: 3, agentDeaths: 6, agentRestores: 0, clones: 0 },
    swaps: () => withStore((options) => new StoredSession({ ...options, pauses: forgetful(options) })),
  },
]

class NumbersAtOnce extends StoredSession {
  override committing(tx: Tx): void {
    this.giveNumbers(tx)
  }
}

function expireNumbered(tx: Tx, now: number): ExpiredMessage[] {
  return tx
    .all<{ sequence: number; recipient: string; size_bytes: number }>(
      `UPDATE outbox SET status = 'expired', error = 'late', settled_at = ?
       WHERE status = 'pending' AND ordinal IS NOT NULL AND ttl_ms IS NOT NULL AND expires_at <= ?
       RETURNING sequence, recipient, size_bytes`,
      now,
      now,
    )
    .map((row) => ({ sequence: row.sequence, to: row.recipient, reason: 'late', sizeBytes: row.size_bytes }))
}

/** Knows only of pauses that began in this process. */
function forgetful({ store }: StoredSessionOptions): typeof pauseTable {
  const before = pauseTable.since(store.reader, 'outbox')
  return {
    ...pauseTable,
    since(reader, queue) {
      const since = pauseTable.since(reader, queue)
      return since === before ? undefined : since
    },
  }
}
