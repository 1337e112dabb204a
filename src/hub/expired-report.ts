import { expiredType } from '../protocol/frames.ts'
import type { HubTx } from './storage.ts'
import { appendEntry } from './streams.ts'

/** Where there is no bound: one report a message, and none of a report. */
const noBounds = { waitingMax: Number.MAX_SAFE_INTEGER, waitingBytesMax: Number.MAX_SAFE_INTEGER }

interface UnreadMessage {
  readonly id: number
  readonly message_id: string
  readonly sender_id: number
  readonly recipient_id: number
  readonly message_type: string
}

/** Reports a message that nobody has fetched in time to who sent it, if that is an agent with a session. */
export async function tellSender(
  tx: HubTx,
  message: number,
  now: number,
  { again = false }: { readonly again?: boolean } = {},
): Promise<void> {
  const row = await tx.get<UnreadMessage>(
    `SELECT id, message_id, sender_id, recipient_id, message_type FROM messages
     WHERE id = ? AND (deleted_at IS NULL OR ? = 1) AND sender_id IN (SELECT ai_id FROM holders)`,
    message,
    again ? 1 : 0,
  )
  if (row === undefined || row.message_type === expiredType) return
  const messageId = `expired.${row.id}${again ? `.${now}` : ''}`
  const content = JSON.stringify({ message_id: row.message_id })
  await appendEntry(tx, noBounds, row.sender_id, { messageId, sizeBytes: content.length, now }, async () => {
    const inserted = await tx.get<{ id: number }>(
      `INSERT INTO messages (message_id, sender_id, recipient_id, content, message_type, status, created_at)
       VALUES (?, ?, ?, ?, ?, 'unread', ?) RETURNING id`,
      messageId,
      row.recipient_id,
      row.sender_id,
      content,
      expiredType,
      now,
    )
    return (inserted as { id: number }).id
  })
}
