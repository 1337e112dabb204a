import type { Json, JsonObject } from '../../json.ts'
import type { SqlValue } from '../../platform/database.ts'
import type { HubReader } from '../storage.ts'
import { timestamp } from './route.ts'

export interface MessageRow {
  readonly id: number
  readonly message_id: string
  readonly sender_id: number
  readonly sender_name: string | null
  readonly recipient_id: number
  readonly conversation_id: string | null
  readonly subject: string | null
  /** JSON. */
  readonly content: string
  readonly message_type: string
  /** JSON. */
  readonly metadata: string | null
  readonly status: 'unread' | 'read'
  readonly created_at: number
  readonly read_at: number | null
  readonly deleted_at: number | null
}

const columns = `m.id, m.message_id, m.sender_id, s.name AS sender_name, m.recipient_id, m.conversation_id, m.subject,
  m.content, m.message_type, m.metadata, m.status, m.created_at, m.read_at, m.deleted_at`
const tables = 'messages m LEFT JOIN profiles s ON s.id = m.sender_id'

/** Conditions that all must hold, and their parameters in order. */
export class Conditions {
  readonly #conditions: string[] = []
  readonly parameters: SqlValue[] = []

  add(sql: string, ...parameters: SqlValue[]): this {
    this.#conditions.push(`(${sql})`)
    this.parameters.push(...parameters)
    return this
  }

  copy(): Conditions {
    const copy = new Conditions()
    copy.#conditions.push(...this.#conditions)
    copy.parameters.push(...this.parameters)
    return copy
  }

  get sql(): string {
    return this.#conditions.join(' AND ')
  }
}

export async function selectMessages(
  reader: HubReader,
  where: Conditions,
  page: { readonly limit: number; readonly offset: number; readonly order: 'ASC' | 'DESC' },
): Promise<MessageRow[]> {
  return reader.all<MessageRow>(
    `SELECT ${columns} FROM ${tables} WHERE ${where.sql} ORDER BY m.id ${page.order} LIMIT ? OFFSET ?`,
    ...where.parameters,
    page.limit,
    page.offset,
  )
}

export async function countMessages(reader: HubReader, where: Conditions): Promise<number> {
  const row = await reader.get<{ total: number }>(
    `SELECT count(*) AS total FROM messages m WHERE ${where.sql}`,
    ...where.parameters,
  )
  return Number(row?.total)
}

/**
 * A message that the agent has sent or received, deleted ones included, by its number or by what its sender called it.
 * Of several that are called the same, by several senders or for several recipients, the newest.
 */
export async function findMessage(
  reader: HubReader,
  key: string,
  aiId: number,
): Promise<{ readonly row: MessageRow; readonly by: 'number' | 'name' } | undefined> {
  const first = async (sql: string, value: SqlValue): Promise<MessageRow | undefined> => {
    const where = new Conditions().add(sql, value).add('m.sender_id = ? OR m.recipient_id = ?', aiId, aiId)
    return (await selectMessages(reader, where, { limit: 1, offset: 0, order: 'DESC' }))[0]
  }
  const numbered = /^\d{1,15}$/.test(key) ? await first('m.id = ?', Number(key)) : undefined
  if (numbered !== undefined) return { row: numbered, by: 'number' }
  const named = await first('m.message_id = ?', key)
  return named === undefined ? undefined : { row: named, by: 'name' }
}

/** A message as it is answered; what v1 leaves out is added. */
export function messageOf(row: MessageRow): JsonObject {
  const { id, message_id, sender_id, sender_name, recipient_id, conversation_id, subject } = row
  return {
    id,
    message_id,
    sender_id,
    sender_name,
    recipient_id,
    conversation_id,
    subject,
    content: JSON.parse(row.content) as Json,
    message_type: row.message_type,
    metadata: row.metadata === null ? null : (JSON.parse(row.metadata) as Json),
    status: row.status,
    created_at: timestamp(row.created_at),
  }
}

/** The same for its recipient, who alone is told when it was read. */
export function receivedMessageOf(row: MessageRow): JsonObject {
  return { ...messageOf(row), read_at: timestamp(row.read_at) }
}
