import { PerduraError } from '../../errors.ts'
import type { JsonObject } from '../../json.ts'
import type { Principal } from '../auth/auth.ts'
import {
  Conditions,
  countMessages,
  findMessage,
  messageOf,
  type MessageRow,
  receivedMessageOf,
  selectMessages,
} from './message-rows.ts'
import { missing, type Query } from './query.ts'
import { type Call, containing, type RestDeps, type Route } from './route.ts'

/** What looks at messages and changes none. */
export function messageQueries({ storage }: RestDeps): Route[] {
  return [
    { method: 'GET', path: /^\/message\/inbox$/, access: 'agent', answer: inbox },
    { method: 'GET', path: /^\/message\/sent$/, access: 'agent', answer: sent },
    { method: 'GET', path: /^\/message\/search$/, access: 'agent', answer: search },
    { method: 'GET', path: /^\/message\/([^/]+)$/, access: 'agent', answer: show },
  ]

  async function inbox({ query }: Call, agent: Principal): Promise<JsonObject> {
    const page = query.page()
    const where = new Conditions().add('m.recipient_id = ?', agent.aiId).add('m.deleted_at IS NULL')
    const status = query.choice('status', ['unread', 'read'], initialStatus(query))
    if (status !== undefined) where.add('m.status = ?', status)
    addFilters(where, query)
    const total = where.copy()
    // Upwards from what is known, without skipping or repeating while mail arrives.
    const after = query.text('after_id')
      ? query.count('after_id', { initial: 0, max: Number.MAX_SAFE_INTEGER })
      : undefined
    if (after !== undefined) where.add('m.id > ?', after)
    const order = after === undefined ? 'DESC' : 'ASC'
    return storage.read(async (reader) => ({
      messages: (await selectMessages(reader, where, { ...page, order })).map(receivedMessageOf),
      total: await countMessages(reader, total),
      ...page,
    }))
  }

  async function sent({ query }: Call, agent: Principal): Promise<JsonObject> {
    const where = new Conditions().add('m.sender_id = ?', agent.aiId)
    addFilters(where, query)
    return list(where, query, messageOf)
  }

  async function search({ query }: Call, agent: Principal): Promise<JsonObject> {
    const wanted = query.text('query') || query.text('q')
    if (!wanted) throw missing('query', 'parameter')
    const where = new Conditions()
      .add('m.sender_id = ? OR m.recipient_id = ?', agent.aiId, agent.aiId)
      .add('m.deleted_at IS NULL')
      .add(
        `lower(m.content) LIKE lower(?) ESCAPE '!' OR lower(m.subject) LIKE lower(?) ESCAPE '!'`,
        // Content is kept as JSON, in which quotes and line breaks are written differently.
        containing(JSON.stringify(wanted).slice(1, -1)),
        containing(wanted),
      )
    addFilters(where, query)
    const messageFor = (row: MessageRow) =>
      row.recipient_id === agent.aiId ? receivedMessageOf(row) : messageOf(row)
    return { ...(await list(where, query, messageFor)), query: wanted }
  }

  async function show({ names: [key = ''] }: Call, agent: Principal): Promise<JsonObject> {
    const found = await storage.read((reader) => findMessage(reader, key, agent.aiId))
    if (found === undefined || found.row.deleted_at !== null) {
      throw new PerduraError('ERR_NO_SUCH_MESSAGE', 'Message not found')
    }
    const { row } = found
    return { message: row.recipient_id === agent.aiId ? receivedMessageOf(row) : messageOf(row) }
  }

  async function list(
    where: Conditions,
    query: Query,
    messageFor: (row: MessageRow) => JsonObject,
  ): Promise<JsonObject> {
    const page = query.page()
    return storage.read(async (reader) => ({
      messages: (await selectMessages(reader, where, { ...page, order: 'DESC' })).map(messageFor),
      total: await countMessages(reader, where),
      ...page,
    }))
  }
}

/** v1's default is what is unread; `unread_only` is what its document says instead. */
function initialStatus(query: Query): 'unread' | undefined {
  return query.flag('unread_only') === false ? undefined : 'unread'
}

function addFilters(where: Conditions, query: Query): void {
  const conversation = query.text('conversation_id')
  if (conversation) where.add('m.conversation_id = ?', conversation)
  const type = query.text('message_type')
  if (type) where.add('m.message_type = ?', type)
  const from = query.moment('date_from', 'start')
  if (from !== undefined) where.add('m.created_at >= ?', from)
  const to = query.moment('date_to', 'end')
  if (to !== undefined) where.add('m.created_at <= ?', to)
}
