import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../src/errors.ts'
import { unreachable, type UnreachableReason } from '../../../src/platform/http-error.ts'
import type { Http, HttpResponse } from '../../../src/platform/http.ts'
import { RetryBudget } from '../../../src/platform/retry-budget.ts'
import { RetryingHttp } from '../../../src/platform/retrying-http.ts'
import { outside, SimulatedClock } from '../../../src/testing/index.ts'

const address = { host: 'hub', port: 1 }
const request = { method: 'GET', path: '/', headers: {}, body: new Uint8Array() }

/** What the server does with each attempt: an answer, a failure, or silence until the attempt is over. */
type Deed = { readonly status: number; readonly headers?: Record<string, string> } | UnreachableReason

function world(deeds: readonly Deed[], budget = new RetryBudget()) {
  const clock = new SimulatedClock()
  const attempts: { readonly atMs: number; readonly timeoutMs: number }[] = []
  const http: Http = {
    request: async (_address, _request, { timeoutMs }) => {
      const deed = deeds[attempts.length] ?? { status: 200 }
      attempts.push({ atMs: clock.monotonicMs(), timeoutMs })
      if (deed === 'timeout') await new Promise<void>((resolve) => clock.schedule(timeoutMs, resolve))
      if (typeof deed === 'string') throw unreachable(address, deed)
      return { headers: {}, body: new Uint8Array(), ...deed }
    },
  }
  const random = { fraction: () => 0.5 }
  const retrying = new RetryingHttp({ http, clock: clock.for(outside), random, budget })
  const ask = (signal?: AbortSignal): Promise<HttpResponse> =>
    clock.settle(retrying.request(address, request, { timeoutMs: 10_000, ...(signal && { signal }) }), {
      withinMs: 60_000,
    })
  return { clock, attempts, budget, ask, times: () => attempts.map(({ atMs }) => atMs) }
}

function hasReason(reason: UnreachableReason) {
  return (error: unknown) => error instanceof PerduraError && error.details['reason'] === reason
}

test('repeats what may pass, with a jitter over a range that doubles', async () => {
  const { ask, times, budget } = world(['reset', { status: 503 }])
  assert.equal((await ask()).status, 200)
  assert.deepEqual(times(), [0, 50, 150])
  assert.equal(budget.left, 500 - 2 * 5 + 1)
})

test('makes three attempts at most, and gives what the last one came to', async () => {
  const failing = world(['refused', 'refused', { status: 503 }])
  assert.equal((await failing.ask()).status, 503)
  const unanswered = world(['refused', 'reset', 'failed'])
  await assert.rejects(unanswered.ask(), hasReason('failed'))
  assert.equal(unanswered.attempts.length, 3)
})

for (const status of [400, 401, 403, 404, 409, 413, 422, 501, 505]) {
  test(`takes ${status} for an answer`, async () => {
    const { ask, attempts } = world([{ status }])
    assert.equal((await ask()).status, status)
    assert.equal(attempts.length, 1)
  })
}

for (const status of [408, 425, 500, 502, 503, 504]) {
  test(`repeats after ${status}`, async () => {
    const { ask, attempts } = world([{ status }])
    assert.equal((await ask()).status, 200)
    assert.equal(attempts.length, 2)
  })
}

test('waits as long as the server asks for, and a jitter longer', async () => {
  const { ask, times } = world([
    { status: 429, headers: { 'retry-after': '1' } },
    { status: 503, headers: { 'retry-after-ms': '200' } },
  ])
  await ask()
  assert.deepEqual(times(), [0, 1_050, 1_350])
})

test('leaves a server alone that asks for more than a moment, or for an unknown time', async () => {
  for (const headers of [{ 'retry-after': '30' }, {}]) {
    const { ask, attempts, budget } = world([{ status: 429, headers }])
    assert.equal((await ask()).status, 429)
    assert.equal(attempts.length, 1)
    assert.equal(budget.left, 500)
  }
})

test('keeps all attempts within one deadline', async () => {
  const { ask, attempts, clock, budget } = world(['timeout', 'timeout', 'timeout'])
  await assert.rejects(ask(), hasReason('timeout'))
  assert.deepEqual(
    attempts.map(({ timeoutMs }) => timeoutMs),
    [5_000, 4_950],
  )
  assert.equal(clock.monotonicMs(), 10_000)
  assert.equal(budget.left, 500 - 10)
})

test('repeats nothing when the budget is empty', async () => {
  const budget = new RetryBudget()
  while (budget.take('failure'));
  const { ask, attempts } = world(['reset'], budget)
  await assert.rejects(ask(), hasReason('reset'))
  assert.equal(attempts.length, 1)
})

test('repeats nothing that was called off', async () => {
  const aborted = world(['aborted'])
  await assert.rejects(aborted.ask(), hasReason('aborted'))
  assert.equal(aborted.attempts.length, 1)
  const { ask, attempts, clock } = world(['reset'])
  const caller = new AbortController()
  clock.schedule(10, () => caller.abort())
  await assert.rejects(ask(caller.signal), hasReason('reset'))
  assert.equal(attempts.length, 1)
  assert.equal(clock.monotonicMs(), 10)
})
