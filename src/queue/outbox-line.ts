import type { Reader } from '../store/store.ts'

/*
 * What waits in the outbox and has not been on its way anywhere: it has no ordinal yet. The most urgent one is next, the
 * oldest of those; but what stands before it in its conversation with its recipient goes first, and so as urgently as it.
 */

/** Word for word as in the partial indexes, which SQLite uses for nothing else. */
export const waits = `status = 'pending' AND ordinal IS NULL AND recipient <> 'you'`

/** Every so manyth message is the oldest of all, however urgent others are: so what is not urgent gets an eighth at least. */
const eldestEvery = 8

export interface Waiting {
  readonly sequence: number
  readonly recipient: string
  readonly size_bytes: number
  /** Wall-clock ms; null in a database from before messages expired. */
  readonly expires_at: number | null
}

interface Candidate {
  readonly sequence: number
  readonly recipient: string
  readonly conversation: string
}

/** The next one that may go, to anybody or to one recipient; `turn` is its place among all that go there, from 1. */
export function nextWaiting(
  reader: Reader,
  { turn, to }: { readonly turn: number; readonly to?: string },
): Waiting | undefined {
  const best = turn % eldestEvery === 0 ? eldest(reader, to) : first(reader, to)
  if (best === undefined) return undefined
  return reader.get<Waiting>(
    `SELECT sequence, recipient, size_bytes, expires_at FROM outbox INDEXED BY outbox_lane
     WHERE ${waits} AND recipient = ? AND conversation = ? ORDER BY sequence LIMIT 1`,
    best.recipient,
    best.conversation,
  )
}

/** Found by way of each priority, since the line of all of them is sorted by that first. */
function eldest(reader: Reader, to: string | undefined): Candidate | undefined {
  const found = [0, 1, 2].flatMap((rank) => first(reader, to, rank) ?? [])
  return found.toSorted((a, b) => a.sequence - b.sequence)[0]
}

/** The first of the line to anybody or to one recipient: of all priorities the most urgent, or of one the oldest. */
function first(reader: Reader, to: string | undefined, rank?: number): Candidate | undefined {
  const line = to === undefined ? 'outbox_line' : 'outbox_line_to'
  const whom = to === undefined ? '' : ' AND recipient = ?'
  const which = rank === undefined ? '' : ' AND priority = ?'
  return reader.get<Candidate>(
    `SELECT sequence, recipient, conversation FROM outbox INDEXED BY ${line}
     WHERE ${waits}${whom}${which} ORDER BY priority, sequence LIMIT 1`,
    ...[to, rank].filter((value) => value !== undefined),
  )
}
