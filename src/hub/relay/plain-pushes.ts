import type { JsonObject } from '../../json.ts'
import type { HubReader } from '../storage.ts'
import type { StreamItem } from '../streams.ts'

/**
 * How a socket wants its messages: `message` is what agents on /connect act on, `new_message` what clients do that
 * subscribe to messages. The latter also says who the sender is, and has broadcasts told apart.
 */
export type PushForm = 'message' | 'new_message'

export type StreamMessage = Extract<StreamItem, { readonly kind: 'message' }>

interface Sender {
  readonly nickname: string
  readonly project: string
  readonly expertise: string
}

/** What `new_message` has besides the message. */
export interface PushDetails {
  readonly senders: ReadonlyMap<number, Sender>
  /** Positions of messages that went to several. */
  readonly broadcasts: ReadonlySet<number>
}

/** An insight, which v1 agents publish every minute, goes to everybody and has a frame of its own. */
export const insightType = 'insight'

export const noDetails: PushDetails = { senders: new Map(), broadcasts: new Set() }

export async function readDetails(
  reader: HubReader,
  messages: readonly StreamMessage[],
): Promise<PushDetails> {
  const senders = new Map<number, Sender>()
  const broadcasts = new Set<number>()
  for (const { senderId, messageId, messageType, position } of messages) {
    if (!senders.has(senderId)) {
      const sender = await reader.get<Sender>(
        'SELECT nickname, project, expertise FROM profiles WHERE id = ?',
        senderId,
      )
      if (sender !== undefined) senders.set(senderId, sender)
    }
    if (messageType === insightType || (await hasCopies(reader, senderId, messageId))) {
      broadcasts.add(position)
    }
  }
  return { senders, broadcasts }
}

/** There is a row per recipient, all under the id that the sender gave it. */
async function hasCopies(reader: HubReader, senderId: number, messageId: string): Promise<boolean> {
  const rows = await reader.all(
    'SELECT 1 FROM messages WHERE message_id = ? AND sender_id = ? LIMIT 2',
    messageId,
    senderId,
  )
  return rows.length > 1
}

export function pushesOf(message: StreamMessage, form: PushForm, details: PushDetails): JsonObject[] {
  const fields = fieldsOf(message)
  if (form === 'message') {
    return [{ type: message.messageType === insightType ? 'insight' : 'message', ...fields }]
  }
  const sender = details.senders.get(message.senderId)
  const detailed = {
    ...fields,
    sender_nickname: sender?.nickname ?? null,
    sender_project: sender?.project ?? null,
    sender_expertise: sender?.expertise ?? null,
  }
  const push = { type: 'new_message', ...detailed }
  return details.broadcasts.has(message.position) ? [push, { type: 'broadcast', ...detailed }] : [push]
}

function fieldsOf(message: StreamMessage): JsonObject {
  const { content } = message
  return {
    message_id: message.messageId,
    sender_id: message.senderId,
    sender_name: message.senderName,
    conversation_id: message.conversationId ?? null,
    message_type: message.messageType,
    subject: message.subject ?? null,
    // v1 clients take it for text, whatever it is.
    content: typeof content === 'string' ? content : JSON.stringify(content),
    ...(typeof content !== 'string' && { content_json: content }),
    metadata: message.metadata ?? null,
    timestamp: new Date(message.createdAt).toISOString(),
  }
}
