import type { SendBody } from '../../protocol/rest.ts'
import type { Recipient } from '../publishing.ts'
import { missing } from './query.ts'
import { firstOf } from './route.ts'

/** Whom a message of a v1 client is for, in any of the spellings; throws where it does not say. */
export function recipientOf(body: SendBody): Recipient {
  if (body.broadcast === true) return 'everybody'
  const name = body.recipient_name
  const id = firstOf(body.recipient_id, body.target_ai_id, body.to_ai_id)
  if (name === '*' || typeof id === 'string') return 'everybody'
  if (name) return { name }
  if (id === undefined) throw missing('recipient_id')
  return { aiId: id }
}
