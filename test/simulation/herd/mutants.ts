import { retryAfterHeaders } from '../../../src/platform/retry-after.ts'
import type { AcceptConnection, Transport } from '../../../src/platform/transport.ts'
import { RetryPolicy, type Retry, type RetryPolicyOptions } from '../../../src/session/retry-policy.ts'
import type { HerdSwaps } from './herd-world.ts'
import { droppedTogether, flappingHub, longOutage, type HerdInvariant, type Scenario } from './scenarios.ts'

/** A herd with one part replaced by a broken one, and what must notice. */
export interface HerdMutant {
  readonly name: string
  readonly scenario: Scenario
  readonly caughtBy: HerdInvariant
  readonly swaps: HerdSwaps
}

/** Everybody draws the same. */
class WithoutJitter extends RetryPolicy {
  constructor(options: RetryPolicyOptions) {
    super({ ...options, random: { fraction: () => 0.5 } })
  }
}

/** At the bound everybody waits for exactly as long: whoever came together once comes together for ever. */
class JitterBeforeCap extends RetryPolicy {
  readonly #options: RetryPolicyOptions

  constructor(options: RetryPolicyOptions) {
    super(options)
    this.#options = options
  }

  override failed(atLeastMs?: number): Retry {
    const { state } = super.failed(atLeastMs)
    const grownMs = 1_000 * 2 ** Math.min(20, this.attempts) * this.#options.random.fraction()
    return { state, delayMs: Math.min(20_000, grownMs) }
  }
}

/** Being let in is taken for success, however soon it is over. */
class ForgetsAtOnce extends RetryPolicy {
  override online(): void {
    super.online()
    this.asked()
  }
}

function deaf(transport: Transport): Transport {
  return {
    connect: (url, options, sink) =>
      transport.connect(url, options, {
        onOpen: () => sink.onOpen(),
        onFrame: (frame) => sink.onFrame(frame),
        onPong: () => sink.onPong?.(),
        onClose: ({ retryAfterMs: _, ...close }) => sink.onClose(close),
      }),
  }
}

function monotonous(accept: AcceptConnection): AcceptConnection {
  return (upgrade, connection) => {
    const answer = accept(upgrade, connection)
    return 'status' in answer && answer.headers !== undefined
      ? { ...answer, headers: retryAfterHeaders(5_000) }
      : answer
  }
}

export const herdMutants: readonly HerdMutant[] = [
  {
    name: 'draws no random part of its delays',
    scenario: longOutage,
    caughtBy: 'no-synchronised-peak',
    swaps: { createRetry: (options) => new WithoutJitter(options) },
  },
  {
    name: 'bounds its delays after having drawn the random part',
    scenario: longOutage,
    caughtBy: 'no-synchronised-peak',
    swaps: { createRetry: (options) => new JitterBeforeCap(options) },
  },
  {
    name: 'does not read what the hub asks it to wait for',
    scenario: droppedTogether,
    caughtBy: 'all-back-in-time',
    swaps: { transport: deaf },
  },
  {
    name: 'tells everybody to come back at the same time',
    scenario: droppedTogether,
    caughtBy: 'no-synchronised-peak',
    swaps: { accept: monotonous },
  },
  {
    name: 'begins with short delays anew whenever a connection was live',
    scenario: flappingHub,
    caughtBy: 'bounded-attempts',
    swaps: { createRetry: (options) => new ForgetsAtOnce(options) },
  },
]
