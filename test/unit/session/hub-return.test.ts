import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hubAddress } from '../../../src/session/hub-address.ts'
import { HubAddresses } from '../../../src/session/hub-addresses.ts'
import { HubReturn } from '../../../src/session/hub-return.ts'
import { outside, SimulatedClock } from '../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'

/** A session that is online at the address with this number, and hubs that are good or not. */
function world(at: number, fraction = 0.5) {
  const clock = new SimulatedClock()
  const log = createSimulatedLog(new Trace())
  const list = ['http://a', 'http://b', 'http://c'].map(hubAddress)
  const addresses = new HubAddresses({ list, clock, log })
  const good = new Set<string>()
  const probes: { readonly host: string; readonly atMs: number; readonly isFirst: boolean }[] = []
  const returns: string[] = []
  let answers: Promise<void> = Promise.resolve()
  const back = new HubReturn({
    clock: clock.for(outside),
    random: { fraction: () => fraction },
    log,
    addresses,
    probe: async ({ rest: { host } }, _signal, isFirst) => {
      probes.push({ host, atMs: clock.monotonicMs(), isFirst })
      await answers
      return good.has(host)
    },
    onReturn: (address) => {
      returns.push(address.rest.host)
      back.stop(true)
      addresses.returnTo(address)
    },
  })
  const online = (): void => {
    addresses.succeeded()
    back.start()
  }
  for (let failures = 0; failures < at; failures++) addresses.failed({ why: 'test' })
  online()
  return {
    clock,
    addresses,
    back,
    good,
    probes,
    returns,
    online,
    hold: (held: Promise<void>): void => {
      answers = held
    },
    /** The connection ends, and another one is made at the next address. */
    fail: (lasted: boolean) => {
      back.stop(lasted)
      addresses.failed({ why: 'test' })
      online()
    },
  }
}

test('looks for nothing at the preferred address', async () => {
  const { clock, probes } = world(0)
  await clock.runFor(24 * 3_600_000)
  assert.deepEqual(probes, [])
})

test('goes back when a preferred address has answered well twice, the first of them first', async () => {
  const { clock, good, probes, returns } = world(2)
  good.add('a').add('b')
  await clock.runFor(180_000)
  assert.deepEqual(probes, [{ host: 'a', atMs: 180_000, isFirst: true }])
  assert.deepEqual(returns, [], 'once is not enough')
  await clock.runFor(45_000)
  assert.deepEqual(probes.at(-1), { host: 'a', atMs: 225_000, isFirst: false })
  assert.deepEqual(returns, ['a'])
})

test('begins anew when an address fails in between, or a better one comes up', async () => {
  const { clock, good, probes, returns } = world(2)
  good.add('b')
  await clock.runFor(180_000)
  good.clear()
  await clock.runFor(45_000)
  good.add('b')
  await clock.runFor(180_000)
  good.add('a')
  await clock.runFor(45_000)
  assert.deepEqual(returns, [])
  await clock.runFor(45_000)
  assert.deepEqual(returns, ['a'])
  assert.equal(probes.length, 2 + 2 + 2 + 1 + 1)
})

test('leaves alone what is another hub, or has asked to be left alone', async () => {
  const { clock, addresses, good, probes, online, back } = world(0)
  good.add('a').add('b')
  addresses.refused('another hub')
  addresses.failed({ why: 'busy', retryAfterMs: 500_000 })
  back.stop(false)
  online()
  assert.equal(addresses.current.rest.host, 'c')
  await clock.runFor(450_000)
  assert.deepEqual(probes, [])
  await clock.runFor(180_000)
  assert.deepEqual(
    probes.map(({ host }) => host),
    ['b', 'b'],
    'and no longer',
  )
})

test('looks less often after returns that came to nothing, and as often as before after one that lasted', async () => {
  const { clock, good, probes, returns, fail } = world(1)
  const firstLookAfterMs = async (): Promise<number> => {
    const [sinceMs, count] = [clock.monotonicMs(), probes.length]
    await clock.run(() => probes.length > count, { withinMs: 5 * 3_600_000 })
    await clock.run(() => returns.length > 0, { withinMs: 100_000 })
    returns.length = 0
    return (probes[count]?.atMs ?? NaN) - sinceMs
  }
  good.add('a')
  const waits = [await firstLookAfterMs()]
  for (let times = 0; times < 6; times++) {
    fail(false)
    waits.push(await firstLookAfterMs())
  }
  const minutes = waits.map((ms) => ms / 60_000)
  assert.deepEqual(minutes, [3, 6, 12, 24, 48, 60, 60])
})

test('a return that lasted is a good one', async () => {
  const { clock, good, returns, fail, online, addresses } = world(1)
  good.add('a')
  await clock.run(() => returns.length === 1, { withinMs: 600_000 })
  online()
  assert.equal(addresses.current.rest.host, 'a')
  fail(true)
  assert.equal(addresses.current.rest.host, 'b')
  await clock.runFor(180_000 + 45_000)
  assert.equal(returns.length, 2)
})

test('does nothing more once the connection is over', async () => {
  const { clock, back, good, returns, hold } = world(1)
  let answer: () => void = () => {}
  hold(new Promise((resolve) => (answer = resolve)))
  good.add('a')
  await clock.runFor(180_000)
  back.stop(true)
  answer()
  await clock.runUntilQuiet({ withinMs: 1_000 })
  assert.deepEqual(returns, [])
})

test('spreads who was driven out together', async () => {
  const delays = await Promise.all(
    [0, 0.25, 0.75, 0.999].map(async (fraction) => {
      const { clock, good, returns } = world(1, fraction)
      good.add('a')
      await clock.run(() => returns.length > 0, { withinMs: 600_000 })
      return Math.round(clock.monotonicMs() / 1_000)
    }),
  )
  assert.deepEqual(delays, [120, 173, 278, 330])
})
