import type { Credit } from '../protocol/frames.ts'

export interface SessionLimits {
  /** What the hub may send beyond what is on the disk. */
  readonly window: Credit
  readonly frameBytesMax: number
  /** Until the upgrade is answered. */
  readonly connectMs: number
  /** From then until `ready` is on the disk. */
  readonly handshakeMs: number
  /**
   * A ping follows after so long without a frame in either direction. Default 10,000: with three of them a dead connection is
   * noticed within 30 s. Shorter ones cost traffic, and notice no earlier than `silenceMs`. Longer ones leave it to the hub to
   * speak: it is asked before its silence is too long. A plain v1 server, which never speaks first, is asked with each beat
   * and by nothing else, so that there a dead connection is noticed 5 s after a beat.
   */
  readonly heartbeatMs: number
  /** Silence after which the hub counts as gone, where a ping went unanswered too. */
  readonly silenceMs: number
}

/** Time-outs and bounds of a session; all times are ms. */
export const defaultSessionLimits: SessionLimits = {
  window: { messages: 256, bytes: 2 * 1024 * 1024 },
  frameBytesMax: 8 * 1024 * 1024,
  connectMs: 10_000,
  handshakeMs: 10_000,
  heartbeatMs: 10_000,
  silenceMs: 30_000,
}
