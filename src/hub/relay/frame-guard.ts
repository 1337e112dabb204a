import type { Clock } from '../../platform/clock.ts'
import { TokenBucket } from '../../platform/token-bucket.ts'

/** A `resume` and a token fit many times; the agent has no reason to send more than these before it is live. */
const earlyBytesMax = 8 * 1024
const earlyCountMax = 16

/** An agent acknowledges and grants once a batch: some dozens a second. */
const frameRate = { perSecond: 2_000, burst: 2_000 }

/** What one connection of an agent may send, beside what its credit and its rate let it publish. */
export class FrameGuard {
  readonly #bucket: TokenBucket
  #earlyCount = 0

  constructor(clock: Clock) {
    this.#bucket = new TokenBucket(clock, frameRate)
  }

  /** Before it is live, whoever it is: asked before anything is made of the text. */
  takeEarly(text: string): boolean {
    this.#earlyCount += 1
    return this.#earlyCount <= earlyCountMax && Buffer.byteLength(text) <= earlyBytesMax
  }

  take(): boolean {
    return this.#bucket.take()
  }
}
