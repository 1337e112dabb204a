import { PerduraError, type ErrorCode } from '../../errors.ts'
import type { JsonObject } from '../../json.ts'
import { sendBody } from '../../protocol/rest.ts'
import type { Publication } from '../publishing.ts'
import { readBody } from '../rest/body.ts'
import { missing } from '../rest/query.ts'
import { recipientOf } from '../rest/recipient.ts'
import { insightType } from './plain-pushes.ts'
import type { Authenticated, Relay } from './relay.ts'

/** As for the body of a request. */
const frameBytesMax = 1024 * 1024

/**
 * Publishes what a `message` or an `insight` says, under the rules that REST has, and tells what became of it. Rejects
 * with the reason where it was refused.
 */
export async function publishFrame(
  relay: Relay,
  sender: Authenticated,
  type: 'message' | 'insight',
  text: string,
): Promise<JsonObject> {
  const { storage, parts, streamLimits, clock, registry } = relay
  const publication = publicationOf(relay, type, text)
  const { result, duplicate, recipients, code, error } = await storage.write((tx) =>
    parts.publishOnce(tx, streamLimits, sender, publication, clock.now()),
  )
  registry.wake(recipients)
  // Not thrown in the transaction: the verdict is kept, and a repeat gets the same.
  if (result === 'refused') throw new PerduraError(code ?? 'ERR_RECIPIENT', error ?? 'refused')
  return {
    message_id: publication.id,
    duplicate,
    // Of a repeat nobody gets anything any more.
    ...(!duplicate && { recipients: recipients.length }),
    ...(code !== undefined && { warning: { code, error: error ?? '' } }),
  }
}

function publicationOf({ random }: Relay, type: 'message' | 'insight', text: string): Publication {
  const body = Buffer.from(text)
  if (body.length > frameBytesMax) {
    throw new PerduraError(
      'ERR_PAYLOAD_TOO_LARGE',
      `a message has at most ${frameBytesMax} bytes: send it in parts`,
    )
  }
  const fields = readBody({ method: 'POST', path: '', headers: {}, body }, sendBody)
  const { content } = fields
  if (content === undefined || content === null || content === '') throw missing('content')
  const isInsight = type === 'insight'
  return {
    id: fields.message_id ?? random.uuid(),
    recipient: isInsight ? 'everybody' : recipientOf(fields),
    conversationId: fields.conversation_id || undefined,
    subject: fields.subject ?? undefined,
    content,
    messageType: isInsight ? insightType : fields.message_type || 'text',
    // Agents say one every minute, and nobody in particular: marked, so that no agent answers it as if it were asked.
    metadata: isInsight ? { hops: 1, ...fields.metadata, auto_reply: true } : (fields.metadata ?? undefined),
  }
}

/** What a client may have asked under; undefined where it wants no answer. */
export type RequestId = string | number | undefined

export function errorFrame(code: ErrorCode, error: string, requestId: RequestId): JsonObject {
  return {
    type: 'error',
    error,
    code,
    ...(requestId !== undefined && { request_id: requestId }),
  }
}
