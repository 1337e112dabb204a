import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedHttp } from '../../../src/testing/index.ts'
import { answerOf, requestOf, testHttpBehaviour, textOf } from '../../helpers/http-behaviour.ts'
import { createSimulation } from '../../helpers/simulated-machine.ts'

const hub = { host: 'hub', port: 8_767 }
const timeoutMs = 1_000

testHttpBehaviour(async (run) => {
  const { clock, random, boot } = createSimulation('behaviour')
  const http = new SimulatedHttp({ clock, random })
  await run({
    http: http.clientFor(boot()),
    listener: http.listenerFor(boot()),
    address: () => ({ host: '127.0.0.1', port: 0 }),
    settle: (promise) => clock.settle(promise),
  })
})

function createNetwork(seed: number): ReturnType<typeof createSimulation> & { readonly http: SimulatedHttp } {
  const machine = createSimulation(seed)
  return { ...machine, http: new SimulatedHttp(machine) }
}

test('loses requests, so that nothing was done', async () => {
  const { http, clock } = createNetwork(1)
  let calls = 0
  http.serve(hub, async () => answerOf(String((calls += 1))))
  http.faults = { requestLoss: 1 }
  await clock.settle(
    assert.rejects(http.client.request(hub, requestOf('/'), { timeoutMs }), /no answer in time/),
  )
  assert.equal(calls, 0)
  assert.equal(clock.monotonicMs(), timeoutMs)
})

test('loses answers, so that something was done', async () => {
  const { http, clock } = createNetwork(1)
  let calls = 0
  http.serve(hub, async () => answerOf(String((calls += 1))))
  http.faults = { responseLoss: 1 }
  await clock.settle(
    assert.rejects(http.client.request(hub, requestOf('/'), { timeoutMs }), /no answer in time/),
  )
  assert.equal(calls, 1)
  http.faults = {}
  assert.equal(textOf(await clock.settle(http.client.request(hub, requestOf('/'), { timeoutMs }))), '2')
})

test('resets the requests that a dying server had, and refuses later ones', async () => {
  const { http, clock, boot } = createNetwork(1)
  const server = boot()
  await http
    .listenerFor(server)
    .listen(hub, { bodyBytesMax: 10 }, () => new Promise<never>(() => server.kill()))
  await clock.settle(assert.rejects(http.client.request(hub, requestOf('/'), { timeoutMs }), /hung up/))
  await clock.settle(assert.rejects(http.client.request(hub, requestOf('/'), { timeoutMs }), /no connection/))
  const next = boot()
  await http.listenerFor(next).listen(hub, { bodyBytesMax: 10 }, async () => answerOf('next'))
  assert.equal(textOf(await clock.settle(http.client.request(hub, requestOf('/'), { timeoutMs }))), 'next')
})

test('goes on handling the request of a client that died', async () => {
  const { http, clock, boot } = createNetwork(1)
  const client = boot()
  let done = false
  let settled = false
  http.serve(hub, async () => {
    client.kill()
    done = true
    return answerOf('')
  })
  const mark = (): void => void (settled = true)
  http.clientFor(client).request(hub, requestOf('/'), { timeoutMs }).then(mark, mark)
  await clock.runUntilQuiet()
  assert.deepEqual({ done, settled }, { done: true, settled: false })
})
