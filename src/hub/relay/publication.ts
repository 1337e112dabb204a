import type { PublishFrame } from '../../protocol/frames.ts'
import type { Publication, Recipient } from '../publishing.ts'

export function toPublication(frame: PublishFrame): Publication {
  return {
    id: frame.id,
    recipient: recipientOf(frame),
    conversationId: frame.conversation_id ?? undefined,
    subject: frame.subject ?? undefined,
    content: frame.content,
    messageType: frame.message_type,
    metadata: frame.metadata ?? undefined,
    ...(frame.again === true && { again: true }),
  }
}

function recipientOf({ recipient_name: name, recipient_id: id }: PublishFrame): Recipient {
  if (name === '*') return 'everybody'
  if (name !== undefined) return { name }
  // Without either there is nobody whom it could be for, and the verdict says so.
  return { aiId: id === undefined ? 0 : Number(id) }
}
