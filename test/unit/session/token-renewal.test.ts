import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../src/errors.ts'
import type { Access } from '../../../src/session/session.ts'
import { TokenRenewal } from '../../../src/session/token-renewal.ts'
import { outside, SimulatedClock } from '../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'

/** A renewal of a token `t0`, which is due at 60 s, on a hub that answers as `next` says. */
function renewing(next: (count: number) => Access | PerduraError) {
  const clock = new SimulatedClock()
  const asked: { atS: number; fresh: boolean }[] = []
  const sent: string[] = []
  const renewal = new TokenRenewal({
    clock: clock.for(outside),
    random: { fraction: () => 1 },
    log: createSimulatedLog(new Trace()),
    credentials: {
      access: async ({ fresh = false } = {}) => {
        asked.push({ atS: Math.round(clock.monotonicMs() / 1_000), fresh })
        const answer = next(asked.length)
        if (answer instanceof PerduraError) throw answer
        return answer
      },
    },
    access: { token: 't0', refreshAtMs: 60_000 },
    send: (token) => void sent.push(token),
  })
  return { clock, renewal, asked, sent }
}

test('a token is replaced when it is due, once the hub has taken the one before', async () => {
  const { clock, renewal, asked, sent } = renewing((count) => ({
    token: `t${count}`,
    refreshAtMs: count * 60_000 + 60_000,
  }))
  renewal.start(3_600)
  await clock.runFor(59_000)
  assert.deepEqual(sent, [])
  await clock.runFor(2_000)
  assert.deepEqual([sent, renewal.token], [['t1'], 't1'])
  // A hub takes one at a time.
  await clock.runFor(600_000)
  assert.deepEqual(sent, ['t1'])
  renewal.refreshed(3_600)
  await clock.runFor(1_000)
  assert.deepEqual([sent, asked.length], [['t1', 't2'], 2])
  renewal.stop()
  await clock.runUntilQuiet()
})

test('what the hub gives less time than the credentials know of is replaced earlier, by a new one', async () => {
  const { clock, renewal, asked, sent } = renewing(() => ({ token: 't1', refreshAtMs: Infinity }))
  renewal.start(10)
  await clock.runFor(9_000)
  assert.deepEqual([asked, sent], [[{ atS: 8, fresh: true }], ['t1']])
  renewal.refreshed(1)
  await clock.runFor(3_600_000)
  // One that it gives no time would be asked for again and again.
  assert.equal(asked.length, 1)
  renewal.stop()
})

test('a hub in trouble is asked in 5 s, and then less and less often', async () => {
  const { clock, renewal, asked, sent } = renewing(() => new PerduraError('ERR_HUB_UNREACHABLE', 'no answer'))
  renewal.start(3_600)
  await clock.runFor(300_000)
  assert.deepEqual(
    asked.map(({ atS }) => atS),
    [60, 65, 75, 95, 135, 195, 255],
  )
  assert.deepEqual(sent, [])
  renewal.stop()
  await clock.runUntilQuiet()
})

test('what it asks for is waited for', async () => {
  const limited = new PerduraError('ERR_RATE_LIMIT', 'later', { details: { retry_after: 90 } })
  const { clock, renewal, asked } = renewing((count) =>
    count === 1 ? limited : { token: 't1', refreshAtMs: Infinity },
  )
  renewal.start(3_600)
  await clock.runFor(300_000)
  assert.deepEqual(
    asked.map(({ atS }) => atS),
    [60, 150],
  )
  renewal.stop()
})

test('the same token once more, still due, is not asked for at once', async () => {
  const { clock, renewal, asked, sent } = renewing(() => ({ token: 't0', refreshAtMs: 60_000 }))
  renewal.start(3_600)
  await clock.runFor(72_000)
  assert.deepEqual(
    asked.map(({ atS }) => atS),
    [60, 65, 70],
  )
  assert.deepEqual(sent, [])
  renewal.stop()
})
