import type { SessionPosition } from '../../session/position.ts'
import { nextSeq } from '../../queue/outbox-numbers.ts'
import type { Reader, Tx } from '../../store/store.ts'

export interface SessionRow {
  readonly hub: string
  readonly session_identifier: string | null
  readonly generation: number
  readonly stream_epoch: string | null
  readonly rx_offset: number
  readonly rx_last_id: string | null
  readonly producer_epoch: string | null
  /** The last one of which there is a verdict, where there is none now. */
  readonly left_epoch: string | null
  readonly acked_seq: number | null
  readonly acked_id: string | null
  readonly state: string
  readonly reason: string
  readonly since: number
}

export function readSession(reader: Reader, hub: string): SessionRow | undefined {
  return reader.get<SessionRow>('SELECT * FROM session WHERE hub = ?', hub)
}

/** Makes the row of a hub that the agent has not been at. */
export function ensureSession(tx: Tx, hub: string, now: number): void {
  tx.run(
    `INSERT INTO session (hub, generation, rx_offset, state, reason, since) VALUES (?, 0, 0, 'idle', 'new', ?)
     ON CONFLICT (hub) DO NOTHING`,
    hub,
    now,
  )
}

/** How the session stands, for whoever looks. */
export function noteState(
  tx: Tx,
  hub: string,
  { state, reason, now }: { readonly state: string; readonly reason: string; readonly now: number },
): void {
  tx.run(
    `INSERT INTO session (hub, generation, rx_offset, state, reason, since) VALUES (?, 0, 0, ?, ?, ?)
     ON CONFLICT (hub) DO UPDATE SET state = excluded.state, reason = excluded.reason, since = excluded.since
     WHERE NOT (state = excluded.state AND reason = excluded.reason)`,
    hub,
    state,
    reason,
    now,
  )
}

/** What is kept outside the database, which may know of a later generation than a database that was put back. */
export interface KeptOutside {
  readonly generation: number
  /** Empty before the first access token, without which nobody is asked for a generation. */
  readonly claim: string
  readonly start: number
  /** The agent was imported, and has not had a generation here since. */
  readonly takeover: boolean
}

/** Without a row the agent has not been at this hub. */
export function positionOf(
  reader: Reader,
  row: SessionRow | undefined,
  { generation, claim, start, takeover }: KeptOutside,
): SessionPosition {
  if (row === undefined) {
    return { sessionIdentifier: undefined, generation, claim, start, takeover, rx: undefined, tx: undefined }
  }
  return {
    sessionIdentifier: row.session_identifier ?? undefined,
    generation: Math.max(row.generation, generation),
    claim,
    start,
    takeover,
    rx:
      row.stream_epoch === null
        ? undefined
        : { epoch: row.stream_epoch, offset: row.rx_offset, lastId: row.rx_last_id ?? undefined },
    tx: numberingOf(reader, row),
  }
}

/** One that was left says no more than its last verdict, by which the hub is found out if it was put back, and begins anew. */
function numberingOf(reader: Reader, row: SessionRow): SessionPosition['tx'] {
  const { producer_epoch: current, left_epoch: left, acked_seq: seq, acked_id: id } = row
  const lastAcked = seq === null || id === null ? undefined : { seq, id }
  if (current !== null) return { producerEpoch: current, nextSeq: nextSeq(reader), lastAcked }
  // A hub that has the verdict has one of the number 1: whatever it finds, it gives another numbering.
  return left === null || lastAcked === undefined ? undefined : { producerEpoch: left, nextSeq: 1, lastAcked }
}
