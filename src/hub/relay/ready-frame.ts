import type { Credit, HubFrame, ReadyFrame } from '../../protocol/frames.ts'
import { sessionTtlMs } from '../resumable-session.ts'
import type { Resumed } from '../resume.ts'

export function readyFrameOf(
  { generation, next, producer, reason, sessionIdentifier, stream }: Resumed,
  { credit, tokenTtlS }: { readonly credit: Credit; readonly tokenTtlS: number },
): ReadyFrame {
  return {
    type: 'ready',
    // What is below the floor is announced as a gap, and is missing all the same.
    resumed: reason === 'resumed' && next > stream.floor,
    reason,
    session_identifier: sessionIdentifier,
    generation,
    stream: { epoch: stream.epoch, floor: stream.floor, top: stream.top, next },
    tx: { producer_epoch: producer.epoch, verdict_seq: producer.verdictSeq },
    credit,
    session_ttl_s: Math.floor(sessionTtlMs / 1_000),
    token_ttl_s: tokenTtlS,
  }
}

/** `time` is for measuring skew, and for people. */
export function pongFrameOf(
  { sent_ms: sentMs }: { readonly sent_ms?: number | undefined },
  now: number,
): HubFrame {
  const time = new Date(now).toISOString()
  return { type: 'pong', ...(sentMs !== undefined && { sent_ms: sentMs }), time }
}
