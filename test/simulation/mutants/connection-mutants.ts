import type { Clock } from '../../../src/platform/clock.ts'
import type { Transport } from '../../../src/platform/transport.ts'
import { closeCodes } from '../../../src/protocol/close-codes.ts'
import { RetryPolicy } from '../../../src/session/retry-policy.ts'
import { noMishaps } from '../wire/mishaps.ts'
import type { WireMutant } from './wire-mutants.ts'

/** Agents that are wrong about their connections. */
export const connectionMutants: readonly WireMutant[] = [
  {
    name: 'an agent that begins to count anew as soon as a connection is open',
    caughtBy: ['no-hammering'],
    mishaps: { ...noMishaps, flaps: 3 },
    swaps: () => ({ agent: { createRetryPolicy: (options) => new ForgetsAtOnce(options) } }),
  },
  {
    name: 'an agent that comes back as fast as it can, whatever it was asked',
    caughtBy: ['obeys-retry-after'],
    mishaps: { ...noMishaps, refusals: 3 },
    swaps: () => ({ agent: { createRetryPolicy: (options) => new ObeysNobody(options) } }),
  },
  {
    name: 'an agent that does not notice that its machine slept, or is elsewhere',
    caughtBy: ['hurries'],
    mishaps: { sleeps: 3, networkChanges: 3, outages: 1, clockJumps: 0 },
    swaps: () => ({
      platform: (platform) => ({
        ...platform,
        clock: withoutWall(platform.clock),
        network: { watch: () => () => undefined },
      }),
    }),
  },
  {
    name: 'an agent that passes over a drain',
    caughtBy: ['obeys-drain'],
    mishaps: { drains: 4 },
    swaps: () => ({ transport: (transport) => onDrain(transport, () => undefined) }),
  },
  {
    name: 'an agent that obeys a drain at once, whatever is under way',
    caughtBy: ['obeys-drain'],
    mishaps: { drains: 4 },
    swaps: () => ({ transport: (transport) => onDrain(transport, (leave) => leave()) }),
  },
  {
    name: 'an agent that neither asks nor notices whether anybody is there still',
    caughtBy: ['half-open-noticed', 'back-in-time'],
    mishaps: { cuts: 6, halfOpenRate: 1 },
    swaps: () => ({ limits: { silenceMs: Infinity, heartbeatMs: 1e9 } }),
  },
  {
    name: 'an agent that stays away once it is suspended',
    caughtBy: ['back-in-time', 'converges'],
    mishaps: { ...noMishaps, outages: 2, retry: { suspendAfterMs: 4_000 } },
    swaps: () => ({ agent: { createRetryPolicy: (options) => new StaysAway(options) } }),
  },
]

class ForgetsAtOnce extends RetryPolicy {
  override online(): void {
    super.asked()
    super.online()
  }
}

class ObeysNobody extends RetryPolicy {
  override failed(): ReturnType<RetryPolicy['failed']> {
    return super.failed()
  }
}

class StaysAway extends RetryPolicy {
  override failed(atLeastMs?: number): ReturnType<RetryPolicy['failed']> {
    const retry = super.failed(atLeastMs)
    return retry.state === 'suspended' ? { state: 'suspended', delayMs: undefined } : retry
  }
}

/** Its wall clock goes as its monotonic one does, and its timers say that they are in time. */
function withoutWall(clock: Clock): Clock {
  const startMs = clock.now() - clock.monotonicMs()
  return { ...clock, now: () => startMs + clock.monotonicMs() }
}

/** What becomes of a drain in the place of its being obeyed. */
function onDrain(transport: Transport, act: (leave: () => void) => void): Transport {
  return {
    connect: (url, options, sink) => {
      const connection = transport.connect(url, options, {
        onOpen: () => sink.onOpen(),
        onFrame: (frame) => {
          if (frame.startsWith('{"type":"drain"')) act(() => connection.close(closeCodes.drain, ''))
          else sink.onFrame(frame)
        },
        onClose: (close) => sink.onClose(close),
      })
      return connection
    },
  }
}
