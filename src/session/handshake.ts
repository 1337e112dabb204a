import type { Credit, ReadyFrame, ResumeFrame } from '../protocol/frames.ts'
import type { Begun, SessionPosition } from './position.ts'

/** The `resume` that says where the agent stands. */
export function resumeFrameOf(
  position: SessionPosition,
  {
    instance,
    takeover,
    credit,
  }: { readonly instance: string; readonly takeover: boolean; readonly credit: Credit },
): ResumeFrame {
  const { sessionIdentifier, generation, claim, start, rx, tx } = position
  return {
    type: 'resume',
    instance,
    generation,
    claim,
    start,
    takeover: takeover || (position.takeover ?? false),
    session_identifier: sessionIdentifier ?? null,
    rx: rx === undefined ? null : { epoch: rx.epoch, offset: rx.offset, last_id: rx.lastId ?? null },
    tx:
      tx === undefined
        ? null
        : { producer_epoch: tx.producerEpoch, next_seq: tx.nextSeq, last_acked: tx.lastAcked ?? null },
    credit,
  }
}

export function begunOf(frame: ReadyFrame): Begun {
  return {
    reason: frame.reason,
    sessionIdentifier: frame.session_identifier,
    generation: frame.generation,
    streamEpoch: frame.stream.epoch,
    next: frame.stream.next,
    producerEpoch: frame.tx.producer_epoch,
  }
}

/**
 * What is wrong with a `ready`, if anything. A hub that believes it goes on from a place where the agent is not would
 * leave a hole that nobody announces.
 */
export function problemOf(frame: ReadyFrame, position: SessionPosition): string | undefined {
  if (frame.generation < position.generation) {
    return `generation ${frame.generation}, and this agent has had ${position.generation}`
  }
  const { rx } = position
  if (rx?.epoch === frame.stream.epoch && frame.stream.next !== rx.offset + 1) {
    return `the stream goes on at ${frame.stream.next}, and this agent stands at ${rx.offset}`
  }
  return undefined
}
