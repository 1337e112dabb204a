import { contentProblem } from '../../protocol/content.ts'
import type { HubFrame, PublishEnvelope, PublishFrame } from '../../protocol/frames.ts'
import type { Publication, Recipient, Verdict } from '../publishing.ts'

export function toPublication(frame: PublishFrame): Publication {
  const unfit = contentProblem(frame)
  if (unfit !== undefined) return unfitPublication(frame, `${unfit.field} ${unfit.problem}`)
  return {
    id: frame.id,
    recipient: recipientOf(frame),
    conversationId: frame.conversation_id ?? undefined,
    subject: frame.subject ?? undefined,
    content: frame.content,
    messageType: frame.message_type,
    metadata: frame.metadata ?? undefined,
    ...(typeof frame.ttl_ms === 'number' && { ttlMs: frame.ttl_ms }),
    ...(frame.again === true && { again: true }),
  }
}

/** One that nobody can have: it gets a verdict like any other, which says why. */
export function unfitPublication({ id }: PublishEnvelope, problem: string): Publication {
  return {
    id,
    recipient: { aiId: 0 },
    conversationId: undefined,
    subject: undefined,
    content: null,
    messageType: 'text',
    metadata: undefined,
    problem,
  }
}

function recipientOf({ recipient_name: name, recipient_id: id }: PublishFrame): Recipient {
  if (name === '*') return 'everybody'
  if (name !== undefined) return { name }
  // Without either there is nobody whom it could be for, and the verdict says so.
  return { aiId: id === undefined ? 0 : Number(id) }
}

/** When to publish again what the hub could not write, or had no time for. */
const retryAfterMs = 1_000

export function retryFrame({ seq }: PublishEnvelope): HubFrame {
  return { type: 'publish_ack', seq, result: 'retry', duplicate: false, retry_after_ms: retryAfterMs }
}

export function expectedFrame({ seq }: PublishEnvelope, expected: number): HubFrame {
  return { type: 'publish_ack', seq, result: 'expected', duplicate: false, expected_seq: expected }
}

export function verdictFrame(frame: PublishEnvelope, { result, duplicate, code, error }: Verdict): HubFrame {
  return {
    type: 'publish_ack',
    seq: frame.seq,
    result,
    duplicate,
    message_id: frame.id,
    ...(code !== undefined && { code }),
    ...(error !== undefined && { error }),
  }
}
