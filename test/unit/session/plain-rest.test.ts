import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as v from 'valibot'
import type { PerduraError } from '../../../src/errors.ts'
import { unreachable } from '../../../src/platform/http-error.ts'
import type { Http } from '../../../src/platform/http.ts'
import { hubAddress } from '../../../src/session/hub-address.ts'
import { HubAddresses } from '../../../src/session/hub-addresses.ts'
import { PlainRest } from '../../../src/session/plain-rest.ts'
import { createSeededRandom, outside, SimulatedClock } from '../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'

const { signal } = new AbortController()

/** A server that does what `deeds` say with each request, and answers those after them. */
function world(...deeds: readonly (number | 'reset')[]) {
  const clock = new SimulatedClock()
  const log = createSimulatedLog(new Trace())
  const addresses = new HubAddresses({ list: ['http://a', 'http://b'].map(hubAddress), clock, log })
  const asked: string[] = []
  let endless: number | 'reset' | undefined
  const http: Http = {
    request: async (address, { method, headers }) => {
      const deed = endless ?? deeds[asked.length] ?? 200
      asked.push(`${method} ${'host' in address ? address.host : ''} ${headers['authorization']}`)
      if (deed === 'reset') throw unreachable(address, deed)
      const body = Buffer.from(JSON.stringify({ success: deed === 200 }))
      return { status: deed, headers: {}, body }
    },
  }
  let tokens = 0
  let token = 't0'
  const rest = new PlainRest({
    http,
    addresses,
    clock: clock.for(outside),
    random: createSeededRandom('plain'),
    log,
    credentials: {
      access: async () => ({ token, refreshAtMs: Infinity }),
      invalidate: () => void (token = `t${(tokens += 1)}`),
      recordGeneration: () => {},
    },
  })
  const settle = <T>(promise: Promise<T>): Promise<T> => clock.settle(promise, { withinMs: 600_000 })
  return {
    asked,
    addresses,
    fail: (deed: number | 'reset') => (endless = deed),
    read: () => settle(rest.read('/message/inbox', v.object({ success: v.boolean() }), signal)),
    post: () => settle(rest.request('POST', '/message/send', {}, signal)),
  }
}

test('repeats a read that failed, and replaces a token that is not taken', async () => {
  const { asked, read } = world('reset', 401, 503)
  assert.deepEqual(await read(), { success: true })
  const [old, fresh] = ['GET a Bearer t0', 'GET a Bearer t1']
  assert.deepEqual(asked, [old, old, fresh, fresh])
})

test('repeats nothing that writes', async () => {
  for (const deed of ['reset', 503] as const) {
    const { asked, post } = world(deed)
    await post()
    assert.equal(asked.length, 1)
  }
})

test('asks at the address of the hub that is current', async () => {
  const { asked, addresses, read } = world()
  addresses.failed({ why: 'test' })
  await read()
  assert.deepEqual(asked, ['GET b Bearer t0'])
})

test('stops repeating when too many reads have failed, and says so', async () => {
  const { asked, fail, read } = world()
  fail('reset')
  let error: PerduraError | undefined
  for (let reads = 0; reads < 60; reads++) {
    error = await read().then(
      () => undefined,
      (thrown: unknown) => thrown as PerduraError,
    )
  }
  assert.equal(asked.length, 60 + 100)
  assert.match(error?.message ?? '', /retry budget is empty/)
  assert.equal(error?.details['reason'], 'reset')
})
