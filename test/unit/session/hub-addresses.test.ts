import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogFields } from '../../../src/platform/log.ts'
import { hubAddress } from '../../../src/session/hub-address.ts'
import { HubAddresses, type AddressFailure } from '../../../src/session/hub-addresses.ts'
import { SimulatedClock } from '../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'

function world(...urls: readonly string[]) {
  const clock = new SimulatedClock()
  const logged: { readonly event: string; readonly fields: LogFields }[] = []
  const log = createSimulatedLog(new Trace(), (event, fields) => void logged.push({ event, fields }))
  const addresses = new HubAddresses({ list: urls.map(hubAddress), clock, log })
  return {
    clock,
    logged,
    addresses,
    at: () => addresses.current.rest.host,
    fail: (failure: Omit<AddressFailure, 'why'> = {}) => addresses.failed({ why: 'test', ...failure }),
    events: () => logged.map(({ event }) => event),
  }
}

const again = { isNewRound: true, waitMs: 0 }
const atOnce = { isNewRound: false, waitMs: 0 }

test('tries each address once in a round, the first one first', () => {
  const { at, fail } = world('http://a', 'http://b', 'http://c')
  const round = [at(), fail(), at(), fail(), at(), fail(), at()]
  assert.deepEqual(round, ['a', atOnce, 'b', atOnce, 'c', again, 'a'])
})

test('a single address has rounds of one', () => {
  const { at, fail } = world('http://a')
  assert.deepEqual([fail(), fail(), at()], [again, again, 'a'])
})

test('goes on from the address that works, not from the first', () => {
  const { addresses, at, fail } = world('http://a', 'http://b', 'http://c')
  fail()
  addresses.succeeded()
  assert.deepEqual(
    [fail({ lasted: true }), at()],
    [again, 'b'],
    'a connection that lasted is made again there',
  )
  assert.deepEqual([fail(), at(), fail(), at(), fail(), at()], [atOnce, 'c', atOnce, 'a', again, 'b'])
})

test('connections that end soon after they went online are attempts of the same round', () => {
  const { addresses, fail } = world('http://a', 'http://b')
  addresses.succeeded()
  assert.deepEqual(fail(), atOnce)
  addresses.succeeded()
  assert.deepEqual(fail(), again, 'two addresses that hang up at once are not hammered')
})

test('leaves a hub that says that it goes away', () => {
  const { addresses, at, fail } = world('http://a', 'http://b')
  addresses.succeeded()
  assert.deepEqual([fail({ lasted: true, leaving: true }), at()], [again, 'b'])
  assert.deepEqual([fail(), at()], [again, 'a'], 'the one that goes away has had its turn')
})

test('does not go back to an address before the time that it asked for', async () => {
  const { clock, at, fail } = world('http://a', 'http://b')
  assert.deepEqual([fail({ retryAfterMs: 60_000 }), at()], [atOnce, 'b'])
  assert.deepEqual([fail(), at()], [again, 'b'])
  assert.deepEqual([fail({ retryAfterMs: 20_000 }), at()], [{ isNewRound: true, waitMs: 20_000 }, 'b'])
  await clock.runFor(60_000)
  assert.deepEqual([fail(), at()], [atOnce, 'a'])
})

test('follows a hint from the next connection on', () => {
  const { addresses, at, fail } = world('http://a', 'http://b')
  addresses.succeeded()
  addresses.hint('ws://elsewhere:9000')
  assert.equal(at(), 'a', 'what is connected stays where it is')
  assert.deepEqual([fail({ lasted: true }), at()], [again, 'elsewhere'])
  assert.equal(addresses.current.webSocketUrl, 'ws://elsewhere:9000')
})

test('drops a hint after three failures, and tries the others after each', () => {
  const { addresses, at, fail, events } = world('http://a')
  addresses.succeeded()
  addresses.hint('http://elsewhere')
  const tried: string[] = []
  fail({ lasted: true, leaving: true })
  for (let attempt = 0; attempt < 8; attempt++) {
    tried.push(at())
    fail()
  }
  assert.deepEqual(tried, ['elsewhere', 'elsewhere', 'a', 'elsewhere', 'a', 'a', 'a', 'a'])
  assert.ok(events().includes('hub:hint:dropped'))
})

test('drops a hint when an address of the list works', () => {
  const { addresses, at, fail } = world('http://a')
  addresses.hint('http://elsewhere')
  const tried = [at()]
  for (let attempt = 0; attempt < 3; attempt++) {
    fail()
    tried.push(at())
  }
  assert.deepEqual(tried, ['a', 'elsewhere', 'elsewhere', 'a'])
  addresses.succeeded()
  fail({ lasted: true })
  assert.equal(at(), 'a')
})

test('keeps a hint that works', () => {
  const { addresses, at, fail } = world('http://a')
  addresses.hint('http://elsewhere')
  for (let times = 0; times < 5; times++) {
    fail()
    if (at() === 'elsewhere') addresses.succeeded()
  }
  fail({ lasted: true })
  assert.equal(at(), 'elsewhere')
})

for (const [hint, from, why] of [
  ['http://elsewhere', 'https://a', 'leads out of TLS'],
  ['ws://elsewhere', 'wss://a', 'leads out of TLS'],
  ['http://127.0.0.1:9', 'http://a', 'leads into this machine'],
  ['http://localhost:9', 'http://a', 'leads into this machine'],
  ['http://elsewhere', 'http://127.0.0.1', 'leads out of this machine without TLS'],
  ['http://me:geheim@elsewhere', 'http://a', 'holds a password'],
  ['http://elsewhere/path', 'http://a', 'has a path'],
  ['http://elsewhere?token=geheim', 'http://a', 'has a query'],
  ['ftp://elsewhere', 'http://a', 'is no hub'],
  ['elsewhere', 'http://a', 'is no URL'],
] as const) {
  test(`passes over a hint that ${why}: ${hint} from ${from}`, () => {
    const { addresses, at, fail, logged } = world(from)
    addresses.hint(hint)
    const base = at()
    fail({ lasted: true })
    assert.equal(at(), base)
    assert.deepEqual(
      logged.map(({ event }) => event),
      ['hub:hint:ignored'],
    )
    assert.ok(!JSON.stringify(logged).includes('geheim'))
  })
}

test('follows a hint into TLS, and on the same machine', () => {
  const inTls = world('http://a')
  inTls.addresses.hint('wss://elsewhere')
  inTls.fail({ lasted: true })
  assert.equal(inTls.at(), 'elsewhere')
  const out = world('http://127.0.0.1')
  out.addresses.hint('https://elsewhere')
  out.fail({ lasted: true })
  assert.equal(out.at(), 'elsewhere')
  const local = world('http://127.0.0.1')
  local.addresses.hint('http://127.0.0.1:9')
  local.fail({ lasted: true })
  assert.equal(local.addresses.current.rest.port, 9)
})

test('passes over an address at which another hub answers, for a while', async () => {
  const { clock, addresses, at, fail, logged } = world('http://a', 'http://b')
  fail()
  assert.deepEqual([addresses.refused('another hub'), at()], [again, 'a'])
  assert.deepEqual([fail(), at()], [again, 'a'])
  const [said] = logged.filter(({ event }) => event === 'hub:address:refused')
  assert.deepEqual(said?.fields, { address: 'http://b:80', reason: 'another hub' })
  await clock.runFor(600_000)
  assert.deepEqual([fail(), at()], [atOnce, 'b'])
})

test('says when all addresses are those of another hub', () => {
  const { addresses, at } = world('http://a', 'http://b')
  assert.deepEqual([addresses.refused('another hub'), at()], [atOnce, 'b'])
  assert.equal(addresses.refused('another hub'), undefined)
  assert.equal(world('http://a').addresses.refused('another hub'), undefined)
})

test('a hint at which another hub answers is dropped at once', () => {
  const { addresses, at, fail } = world('http://a')
  addresses.hint('http://elsewhere')
  fail({ lasted: true })
  assert.equal(at(), 'elsewhere')
  assert.deepEqual([addresses.refused('another hub'), at()], [atOnce, 'a'])
  fail()
  assert.equal(at(), 'a')
})
