import { queues, pauseTable, type Queue } from '../queue/pauses.ts'
import type { Reader } from '../store/store.ts'
import { listTurns, toOutgoing, type OutboxRow, type OutgoingView, type TurnSummary } from './turn-queries.ts'

export interface QueueFilter {
  /** Default: both. */
  readonly queues?: readonly Queue[]
  /** Dead letters only. */
  readonly deadOnly?: boolean
  /** Most of each kind. */
  readonly limit: number
}

export interface QueueView {
  /** Since when each queue is paused, wall-clock ms; null where it is not. */
  readonly paused: { readonly inbox: number | null; readonly outbox: number | null }
  /** What came in and is not finished, oldest first. */
  readonly inbox: readonly TurnSummary[]
  /** What must go out, in about the order in which it goes: what is under way, then the most urgent. */
  readonly outbox: readonly OutgoingView[]
  /** Turns that were set aside, newest first. */
  readonly deadLetters: readonly TurnSummary[]
  /** Messages that were refused or have expired, newest first. */
  readonly deadMessages: readonly OutgoingView[]
}

/** The queues as they are, up to `limit` of each kind. */
export function listQueue(
  reader: Reader,
  { queues: named = queues, deadOnly = false, limit }: QueueFilter,
): QueueView {
  const shows = (queue: Queue): boolean => named.includes(queue)
  return {
    paused: pauses(reader),
    inbox:
      shows('inbox') && !deadOnly
        ? listTurns(reader, { statuses: ['pending', 'running', 'parked'], order: 'oldest', limit })
        : [],
    outbox: shows('outbox') && !deadOnly ? pendingMessages(reader, limit) : [],
    deadLetters: shows('inbox') ? listTurns(reader, { statuses: ['dead'], limit }) : [],
    deadMessages: shows('outbox') ? deadMessages(reader, limit) : [],
  }
}

export function pauses(reader: Reader): QueueView['paused'] {
  const since = (queue: Queue): number | null => pauseTable.since(reader, queue) ?? null
  return { inbox: since('inbox'), outbox: since('outbox') }
}

export function pendingMessages(reader: Reader, limit: number): OutgoingView[] {
  // A database that no start has brought to this schema yet knows neither.
  const order = hasPriorities(reader) ? 'ordinal IS NULL, ordinal, priority, sequence' : 'sequence'
  return reader
    .all<OutboxRow>(`SELECT * FROM outbox WHERE status = 'pending' ORDER BY ${order} LIMIT ?`, limit)
    .map(toOutgoing)
}

/** What was refused or has expired of what went to agents, newest first. */
export function deadMessages(reader: Reader, limit: number): OutgoingView[] {
  return reader
    .all<OutboxRow>(
      `SELECT * FROM outbox WHERE status IN ('refused', 'expired') AND recipient <> 'you'
       ORDER BY sequence DESC LIMIT ?`,
      limit,
    )
    .map(toOutgoing)
}

function hasPriorities(reader: Reader): boolean {
  return reader.get("SELECT 1 FROM pragma_table_info('outbox') WHERE name = 'ordinal'") !== undefined
}
