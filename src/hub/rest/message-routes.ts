import { PerduraError } from '../../errors.ts'
import type { JsonObject } from '../../json.ts'
import type { HttpRequest } from '../../platform/http.ts'
import { isMessageKey, type SendBody, sendBody } from '../../protocol/rest.ts'
import type { Principal } from '../auth/auth.ts'
import { assertNotFenced, type Publication, publishOnce } from '../publishing.ts'
import { readBody } from './body.ts'
import { messageQueries } from './message-queries.ts'
import { Conditions, findMessage, messageOf, type MessageRow, selectMessages } from './message-rows.ts'
import { invalid, missing } from './query.ts'
import { recipientOf } from './recipient.ts'
import { type Call, type RestDeps, type Route, timestamp } from './route.ts'

export function messageRoutes(deps: RestDeps): Route[] {
  const { clock, limits, onPublished, random, storage } = deps
  return [
    { method: 'POST', path: /^\/message\/send$/, access: 'agent', answer: send },
    ...messageQueries(deps),
    { method: 'DELETE', path: /^\/message\/([^/]+)$/, access: 'agent', answer: remove },
    { method: 'PUT', path: /^\/message\/([^/]+)\/read$/, access: 'agent', answer: markRead },
  ]

  async function send({ request }: Call, agent: Principal): Promise<JsonObject> {
    const body = readBody(request, sendBody)
    const publication: Publication = {
      recipient: recipientOf(body),
      content: contentOf(body),
      id: idempotencyKey(request, body) ?? random.uuid(),
      conversationId: body.conversation_id || undefined,
      subject: body.subject ?? undefined,
      messageType: body.message_type || 'text',
      metadata: body.metadata ?? undefined,
    }
    const { rows, verdict } = await storage.write(async (tx) => {
      const verdict = await publishOnce(tx, limits, agent, publication, clock.now())
      // All that this message has become, so that a repeat is answered as the first was.
      const sent = new Conditions().add('m.sender_id = ?', agent.aiId).add('m.message_id = ?', publication.id)
      return { verdict, rows: await selectMessages(tx, sent, { limit: rowsMax, offset: 0, order: 'ASC' }) }
    })
    if (verdict.recipients.length > 0) onPublished(verdict.recipients)
    const { code, duplicate, error = 'refused' } = verdict
    // Not thrown in the transaction: the verdict is kept, and a repeat gets the same.
    if (verdict.result === 'refused') throw new PerduraError(code ?? 'ERR_RECIPIENT', error)
    return {
      ...sentOf(publication.id, rows),
      duplicate,
      ...(code === undefined ? {} : { warning: { code, error } }),
    }
  }

  async function remove({ names: [key = ''] }: Call, agent: Principal): Promise<JsonObject> {
    const row = await storage.write(async (tx) => {
      await assertNotFenced(tx, agent)
      const found = await findMessage(tx, key, agent.aiId)
      if (found === undefined) throw noSuchMessage()
      const { by, row } = found
      if (row.deleted_at !== null) return row
      const now = clock.now()
      if (by === 'name' && row.sender_id === agent.aiId) {
        // To its sender a broadcast is one message.
        await tx.run(
          'UPDATE messages SET deleted_at = ? WHERE sender_id = ? AND message_id = ? AND deleted_at IS NULL',
          now,
          agent.aiId,
          row.message_id,
        )
      } else await tx.run('UPDATE messages SET deleted_at = ? WHERE id = ?', now, row.id)
      return { ...row, deleted_at: now }
    })
    return { message: { id: row.id, message_id: row.message_id, deleted_at: timestamp(row.deleted_at) } }
  }

  async function markRead({ names: [key = ''] }: Call, agent: Principal): Promise<JsonObject> {
    const row = await storage.write(async (tx) => {
      await assertNotFenced(tx, agent)
      const { row } = (await findMessage(tx, key, agent.aiId)) ?? {}
      if (row === undefined || row.deleted_at !== null) throw noSuchMessage()
      if (row.recipient_id !== agent.aiId) {
        throw new PerduraError('ERR_NOT_YOURS', 'only who received a message can mark it as read')
      }
      if (row.status === 'read') return row
      const now = clock.now()
      await tx.run(`UPDATE messages SET status = 'read', read_at = ? WHERE id = ?`, now, row.id)
      return { ...row, status: 'read', read_at: now } as const
    })
    const { id, message_id, status } = row
    return { message: { id, message_id, status, read_at: timestamp(row.read_at) } }
  }
}

/** Copies of a broadcast that are counted in the answer to it. */
const rowsMax = 10_000

function sentOf(id: string, rows: readonly MessageRow[]): JsonObject {
  const [first] = rows
  if (first === undefined) return { message: null, message_id: id, recipients: 0 }
  const message = messageOf(first)
  return {
    message,
    message_id: id,
    conversation_id: first.conversation_id,
    metadata: message['metadata'] ?? null,
    recipients: rows.length,
  }
}

function contentOf({ content }: SendBody): Publication['content'] {
  if (content === undefined || content === null || content === '') throw missing('content')
  return content
}

/** What the sender calls the message: the header, as a plain or a quoted string (RFC 8941), or the field. */
function idempotencyKey({ headers }: HttpRequest, body: SendBody): string | undefined {
  const header = headers['idempotency-key']
  const id = body.message_id ?? undefined
  if (header === undefined) return id
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header)?.[1]
  const key = quoted === undefined ? header : quoted.replaceAll(/\\(["\\])/g, '$1')
  if (!isMessageKey(key)) throw invalid('Idempotency-Key', 'must have 1 to 255 printable ASCII characters')
  if (id !== undefined && id !== key)
    throw invalid('message_id', 'differs from the Idempotency-Key: send one of them')
  return key
}

function noSuchMessage(): PerduraError {
  return new PerduraError('ERR_NO_SUCH_MESSAGE', "Message not found or you don't have permission")
}
