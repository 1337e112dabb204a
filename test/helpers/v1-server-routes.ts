import type { JsonObject } from '../../src/json.ts'
import { timeText, type V1Database, type V1Message, type V1Profile } from './v1-server-database.ts'
import type { V1Claims } from './v1-server-tokens.ts'

export interface V1Call {
  readonly database: V1Database
  readonly nowMs: number
  /** Who asks. */
  readonly claims: V1Claims
  readonly query: URLSearchParams
  readonly id: string
  /** Undefined where it was no JSON object. */
  readonly body: JsonObject | undefined
}

/** A status and what is said besides `success`. */
export type V1Answer = readonly [status: number, body: JsonObject]

export interface V1Route {
  readonly method: string
  readonly pattern: RegExp
  /** What it says when anything is wrong that nobody thought of. */
  readonly failure: string
  readonly handle: (call: V1Call) => V1Answer
}

/** What a plain v1 server does behind its token, as far as agents use it. */
export const v1Routes: readonly V1Route[] = [
  {
    method: 'POST',
    pattern: /^\/ai\/register$/,
    failure: 'Failed to register AI',
    handle: ({ database, body, nowMs }) => {
      const name = fields(body)['name']
      if (typeof name !== 'string' || name === '') return [400, { error: 'Missing required field: name' }]
      return [200, { ai: profileJson(database.register(name, nowMs)) }]
    },
  },
  {
    method: 'GET',
    pattern: /^\/ai\/list$/,
    failure: 'Failed to list AIs',
    handle: ({ database, query }) => {
      const ais = page(database.profiles.toReversed(), query).map(profileJson)
      return [200, { ais, total: database.profiles.length, ...pageJson(query) }]
    },
  },
  {
    method: 'GET',
    pattern: /^\/ai\/([^/]+)$/,
    failure: 'Failed to get AI profile',
    handle: ({ database, id }) => {
      const profile = database.byId(integer(id))
      return profile === undefined
        ? [404, { error: 'AI not found' }]
        : [200, { ai: { ...profileJson(profile), is_active: true } }]
    },
  },
  { method: 'POST', pattern: /^\/message\/send$/, failure: 'Failed to send message', handle: send },
  {
    method: 'GET',
    pattern: /^\/message\/inbox$/,
    failure: 'Failed to get inbox',
    handle: ({ database, claims, query }) => {
      const all = database.inboxOf(claims.ai_id)
      const status = query.get('status') ?? 'unread'
      const wanted = status === '' || status === 'unread' ? all : []
      const messages = page(wanted, query).map((message) => ({ ...messageJson(message), read_at: null }))
      return [200, { messages, total: all.length, ...pageJson(query) }]
    },
  },
  {
    method: 'GET',
    pattern: /^\/message\/sent$/,
    failure: 'Failed to get sent messages',
    handle: ({ database, claims, query }) => {
      const all = database.sentBy(claims.ai_id)
      return [200, { messages: page(all, query).map(messageJson), total: all.length, ...pageJson(query) }]
    },
  },
  {
    method: 'DELETE',
    pattern: /^\/message\/([^/]+)$/,
    failure: 'Failed to delete message',
    handle: ({ database, claims, id }) => {
      const own = [claims.ai_id]
      const message = database.messages.find(
        ({ messageId, senderId, recipientId }) =>
          messageId === id && (own.includes(senderId) || own.includes(recipientId)),
      )
      if (message === undefined) {
        return [404, { error: "Message not found or you don't have permission" }]
      }
      message.deleted = true
      return [
        200,
        { message: { id: message.id, message_id: id, deleted_at: timeText(message.createdUs, '+00:00') } },
      ]
    },
  },
]

function send({ database, body, claims, nowMs }: V1Call): V1Answer {
  const sent = fields(body)
  const recipientId = sent['recipient_id'] ?? sent['target_ai_id']
  const {
    subject = null,
    content,
    message_type: messageType = 'text',
    metadata = {},
  } = sent as Record<string, never>
  if (!recipientId || !content) return [400, { error: 'Missing required fields: recipient_id, content' }]
  // A foreign key, a text column, a varchar(255): whatever they do not take is a failure.
  if (database.byId(recipientId) === undefined || database.byId(claims.ai_id) === undefined)
    throw new Error('foreign key')
  if (typeof content !== 'string' || (content as string).includes('\0')) throw new Error('text')
  if (subject !== null && (subject as string).length > 255) throw new Error('varchar')
  const message = database.store(
    {
      senderId: claims.ai_id as number,
      recipientId: recipientId as number,
      subject,
      content,
      messageType,
      metadata,
    },
    nowMs,
  )
  return [200, { message: messageJson(message) }]
}

function fields(body: JsonObject | undefined): JsonObject {
  if (body === undefined) throw new Error('not a JSON object')
  return body
}

function page<T>(all: readonly T[], query: URLSearchParams): T[] {
  const { limit, offset } = pageJson(query)
  return all.slice(offset, offset + limit)
}

function pageJson(query: URLSearchParams): { limit: number; offset: number } {
  return { limit: integer(query.get('limit') ?? '50'), offset: integer(query.get('offset') ?? '0') }
}

function integer(text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`${text} is no number`)
  return Number(text)
}

function profileJson({ id, name, nickname, createdAt }: V1Profile): JsonObject {
  return {
    id,
    name,
    nickname,
    expertise: 'General',
    version: '1.0.0',
    project: 'default',
    created_at: createdAt,
  }
}

/** Never with its metadata. */
function messageJson(message: V1Message): JsonObject {
  return {
    id: message.id,
    message_id: message.messageId,
    sender_id: message.senderId,
    recipient_id: message.recipientId,
    subject: message.subject,
    content: message.content,
    message_type: message.messageType,
    // For ever: nothing sets it.
    status: 'unread',
    created_at: timeText(message.createdUs, '+00:00'),
  }
}
