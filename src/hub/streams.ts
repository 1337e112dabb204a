import { PerduraError } from '../errors.ts'
import type { Json, JsonObject } from '../json.ts'
import type { HubReader, HubTx } from './storage.ts'

export interface StreamLimits {
  /** Messages that may wait for an agent with a session; one more is refused to its sender. Default 10,000. */
  readonly waitingMax: number
  readonly waitingBytesMax: number
  /** Content and metadata of one message as JSON, bytes. Default 2 MiB: agents take frames of 8 MiB. */
  readonly messageBytesMax: number
  /** How long what was acknowledged is kept, so that an agent restored from a backup can have it again. Default 24 h. */
  readonly rewindMs: number
  /** How long anything waits at most. Default 30 days. */
  readonly ageMaxMs: number
}

export const defaultStreamLimits: StreamLimits = {
  waitingMax: 10_000,
  waitingBytesMax: 64 * 1024 * 1024,
  messageBytesMax: 2 * 1024 * 1024,
  rewindMs: 86_400_000,
  ageMaxMs: 30 * 86_400_000,
}

/** What an agent is to receive: entries from `floor` + 1 to `top`, without holes. */
export interface Stream {
  readonly epoch: string
  /** Everything up to it is gone. */
  readonly floor: number
  /** The mark of the entry at the floor: tells whether a reader that stands there means the same stream. */
  readonly floorId: string | undefined
  readonly acked: number
  readonly top: number
}

interface StreamRow {
  readonly epoch: string
  readonly floor: number
  readonly floor_id: string | null
  readonly acked: number
  readonly top: number
}

export async function readStream(reader: HubReader, aiId: number): Promise<Stream> {
  const row = await reader.get<StreamRow>(
    'SELECT epoch, floor, floor_id, acked, top FROM streams WHERE ai_id = ?',
    aiId,
  )
  if (row === undefined) throw new PerduraError('ERR_NO_SUCH_PROFILE', 'the agent is not registered here')
  const { epoch, floor, floor_id: floorId, acked, top } = row
  return { epoch, floor, floorId: floorId ?? undefined, acked, top }
}

/** Puts a message at the end of an agent's stream; false where there is no room, and then nothing was written. */
export async function appendEntry(
  tx: HubTx,
  limits: Pick<StreamLimits, 'waitingMax' | 'waitingBytesMax'>,
  aiId: number,
  entry: {
    readonly messageId: string
    readonly sizeBytes: number
    readonly now: number
    /** Wall-clock ms; without it, it is good for as long as anything waits. */
    readonly expiresAt?: number | undefined
  },
  insertMessage: () => Promise<number>,
): Promise<boolean> {
  const { messageId, sizeBytes, now } = entry
  // Who has no session acknowledges nothing, and is bounded by age alone.
  const stream = await tx.get<{ top: number }>(
    `UPDATE streams SET top = top + 1, waiting_count = waiting_count + 1, waiting_bytes = waiting_bytes + ?
     WHERE ai_id = ? AND ((waiting_count < ? AND waiting_bytes + ? <= ?)
       OR NOT EXISTS (SELECT 1 FROM holders WHERE holders.ai_id = streams.ai_id))
     RETURNING top`,
    sizeBytes,
    aiId,
    limits.waitingMax,
    sizeBytes,
    limits.waitingBytesMax,
  )
  if (stream === undefined) return false
  await tx.run(
    `INSERT INTO entries (ai_id, position, message_id, message, size_bytes, appended_at, expires_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    aiId,
    stream.top,
    messageId,
    await insertMessage(),
    sizeBytes,
    now,
    entry.expiresAt ?? null,
  )
  return true
}

/** Moves what counts as acknowledged onwards. What was acknowledged before has left the bounds already. */
export async function advanceAcked(
  tx: HubTx,
  aiId: number,
  { from, to, now }: { readonly from: number; readonly to: number; readonly now: number },
): Promise<void> {
  const first = 'ai_id = ? AND position > ? AND position <= ? AND acked_at IS NULL'
  const held = await tx.get<{ count: number; bytes: number | null }>(
    `SELECT count(*) AS count, sum(size_bytes) AS bytes FROM entries WHERE ${first}`,
    aiId,
    from,
    to,
  )
  await tx.run(`UPDATE entries SET acked_at = ? WHERE ${first}`, now, aiId, from, to)
  await tx.run(
    'UPDATE streams SET acked = ?, waiting_count = waiting_count - ?, waiting_bytes = waiting_bytes - ? WHERE ai_id = ?',
    to,
    held?.count ?? 0,
    held?.bytes ?? 0,
    aiId,
  )
}

/**
 * Moves it back, for an agent whose disk was rewound: what comes after is sent again. It does not count against the bounds
 * once more, or the agent's own past would keep its new mail out.
 */
export async function rewindAcked(tx: HubTx, aiId: number, to: number): Promise<void> {
  await tx.run('UPDATE streams SET acked = ? WHERE ai_id = ?', to, aiId)
}

/**
 * Names one entry of one history. The id of its message would not do: a hub that was put back takes the same message in
 * again, at the same position perhaps, behind others than before. The row and the moment are never both the same again.
 */
export function markOf(entry: { readonly message: number; readonly appended_at: number }): string {
  return `${entry.message}.${entry.appended_at}`
}

/** The mark of the entry at a position, where that is still known. */
export async function markAt(
  reader: HubReader,
  aiId: number,
  stream: Stream,
  position: number,
): Promise<string | undefined> {
  if (position === stream.floor) return stream.floorId
  const row = await reader.get<{ message: number; appended_at: number }>(
    'SELECT message, appended_at FROM entries WHERE ai_id = ? AND position = ?',
    aiId,
    position,
  )
  return row === undefined ? undefined : markOf(row)
}

/** What is sent for an entry: the message, or that it is there no more. */
export type StreamItem =
  | {
      readonly kind: 'message'
      readonly position: number
      readonly mark: string
      readonly sizeBytes: number
      /** Wall-clock ms at which it is given up, unless it is fetched before; undefined where that does not matter any more. */
      readonly expiresAt: number | undefined
      readonly messageId: string
      readonly senderId: number
      readonly senderName: string
      readonly conversationId: string | undefined
      readonly subject: string | undefined
      readonly content: Json
      readonly messageType: string
      readonly metadata: JsonObject | undefined
      readonly createdAt: number
    }
  | {
      readonly kind: 'gap'
      readonly from: number
      readonly to: number
      readonly lastId: string
      readonly reason: string
    }

/** Why there is a gap: its sender said for how long the message was good, and that was over. */
export const lifetimeReason = 'ttl'

interface EntryRow {
  readonly position: number
  readonly message: number
  readonly appended_at: number
  readonly size_bytes: number
  readonly expires_at: number | null
  readonly fetched_at: number | null
  readonly expired_at: number | null
  readonly message_id: string
  readonly sender_id: number | null
  readonly sender_name: string | null
  readonly conversation_id: string | null
  readonly subject: string | null
  readonly content: string | null
  readonly message_type: string
  readonly metadata: string | null
  readonly created_at: number
  readonly deleted_at: number | null
}

export interface Page {
  readonly epoch: string
  readonly top: number
  readonly items: readonly StreamItem[]
}

/** What comes after a position, at most so much of it; the first item is sent whatever its size. */
export async function readPage(
  reader: HubReader,
  aiId: number,
  after: number,
  limits: { readonly countMax: number; readonly bytesMax: number },
): Promise<Page> {
  const stream = await readStream(reader, aiId)
  const { epoch, top, floor, floorId } = stream
  const items: StreamItem[] = []
  if (after < floor && floorId !== undefined) {
    items.push({ kind: 'gap', from: after + 1, to: floor, lastId: floorId, reason: 'expired' })
  }
  let bytes = 0
  for (const row of await reader.all<EntryRow>(
    `SELECT entries.position, entries.message, appended_at, entries.size_bytes, expires_at, fetched_at, expired_at,
       entries.message_id, sender_id, profiles.name AS sender_name,
       conversation_id, subject, content, message_type, metadata, messages.created_at, deleted_at
     FROM entries LEFT JOIN messages ON messages.id = entries.message
       LEFT JOIN profiles ON profiles.id = messages.sender_id
     WHERE entries.ai_id = ? AND entries.position > ? ORDER BY entries.position LIMIT ?`,
    aiId,
    Math.max(after, floor),
    limits.countMax,
  )) {
    if (bytes > 0 && bytes + row.size_bytes > limits.bytesMax) break
    bytes += row.size_bytes
    items.push(toItem(row))
  }
  return { epoch, top, items }
}

function toItem(row: EntryRow): StreamItem {
  const { position, message_id: messageId, content, sender_id: senderId, sender_name: senderName } = row
  if (row.expired_at !== null) {
    return { kind: 'gap', from: position, to: position, lastId: markOf(row), reason: lifetimeReason }
  }
  if (content === null || senderId === null || senderName === null || row.deleted_at !== null) {
    return { kind: 'gap', from: position, to: position, lastId: markOf(row), reason: 'deleted' }
  }
  return {
    kind: 'message',
    position,
    mark: markOf(row),
    sizeBytes: row.size_bytes,
    expiresAt: row.fetched_at === null ? (row.expires_at ?? undefined) : undefined,
    messageId,
    senderId,
    senderName,
    conversationId: row.conversation_id ?? undefined,
    subject: row.subject ?? undefined,
    content: JSON.parse(content) as Json,
    messageType: row.message_type,
    metadata: row.metadata === null ? undefined : (JSON.parse(row.metadata) as JsonObject),
    createdAt: row.created_at,
  }
}
