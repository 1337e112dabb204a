import type { PublishFrame } from '../protocol/frames.ts'
import type { Outbound } from './position.ts'

/** The frame that publishes a message, as it goes over the wire. */
export function publishText(message: Outbound, producerEpoch: string): string {
  const { seq, id, recipient, conversation, content, hops, inReplyTo, again, ttlMs } = message
  const frame: PublishFrame = {
    type: 'publish',
    producer_epoch: producerEpoch,
    seq,
    id,
    ...(again && { again }),
    recipient_name: recipient,
    conversation_id: conversation,
    content,
    message_type: 'text',
    ...(ttlMs !== undefined && { ttl_ms: ttlMs }),
    metadata: { auto_reply: true, hops, ...(inReplyTo !== undefined && { in_reply_to: inReplyTo }) },
  }
  return JSON.stringify(frame)
}

/**
 * In the place of one that is too large for the hub's frames: its number must be used up, by a verdict that refuses it, and
 * without content it gets one.
 */
export function emptyPublishText({ seq, id }: Outbound, producerEpoch: string): string {
  return JSON.stringify({ type: 'publish', producer_epoch: producerEpoch, seq, id })
}
