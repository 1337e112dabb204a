import { terminal } from '../queue/outbox.ts'
import { readCount } from '../store/counters.ts'
import type { Reader } from '../store/store.ts'

/** An agent's session at one hub, as its database has it: true of a running agent and of one that was killed. */
export interface StoredSession {
  /** Where it was found last. */
  readonly hub: string
  /** By which the agent knows the hub, whatever its address is. */
  readonly place: string
  /** Null before the hub has given one. */
  readonly sessionIdentifier: string | null
  readonly generation: number
  /** As it was noted last; what only passes (connecting, resuming) is not noted. */
  readonly state: string
  readonly reason: string
  /** Wall-clock ms. */
  readonly since: number
  /** What came in is on disk up to this offset of the hub's stream. */
  readonly received: { readonly epoch: string | null; readonly offset: number }
  readonly sent: {
    readonly producerEpoch: string | null
    /** The number that the next message gets. */
    readonly nextSeq: number
    readonly ackedSeq: number | null
    readonly ackedId: string | null
    /** Messages to agents without a verdict. */
    readonly pending: number
  }
}

/** At each hub that the agent has been at, the latest first. */
export function storedSessions(reader: Reader): StoredSession[] {
  // A database that no start since has brought to this schema has none.
  if (reader.get("SELECT 1 FROM sqlite_schema WHERE name = 'session'") === undefined) return []
  const pending = pendingToAgents(reader)
  const nextSeq = readCount(reader, 'outbox.seq') + 1
  return reader.all<SessionRow>('SELECT * FROM session ORDER BY since DESC, hub').map((row) => ({
    hub: row.address ?? row.hub,
    place: row.hub,
    sessionIdentifier: row.session_identifier,
    generation: row.generation,
    state: row.state,
    reason: row.reason,
    since: row.since,
    received: { epoch: row.stream_epoch, offset: row.rx_offset },
    sent: {
      producerEpoch: row.producer_epoch,
      nextSeq,
      // Of a numbering that was left, they are kept for the hub.
      ackedSeq: row.producer_epoch === null ? null : row.acked_seq,
      ackedId: row.producer_epoch === null ? null : row.acked_id,
      pending,
    },
  }))
}

function pendingToAgents(reader: Reader): number {
  const sql = `SELECT count(*) AS count FROM outbox WHERE status = 'pending' AND recipient <> ?`
  return reader.get<{ count: number }>(sql, terminal)?.count ?? 0
}

interface SessionRow {
  readonly hub: string
  readonly address: string | null
  readonly session_identifier: string | null
  readonly generation: number
  readonly stream_epoch: string | null
  readonly rx_offset: number
  readonly producer_epoch: string | null
  readonly acked_seq: number | null
  readonly acked_id: string | null
  readonly state: string
  readonly reason: string
  readonly since: number
}
