import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultRelayLimits } from '../../../../src/hub/relay/relay.ts'
import { ResumableConnection } from '../../../../src/hub/relay/resumable-connection.ts'
import { TokenBuckets } from '../../../../src/platform/token-bucket.ts'
import { SimulatedClock, outside } from '../../../../src/testing/index.ts'
import { publishFrame, resumeFrame, ResumableWorld } from './resumable-world.ts'

async function meet(limits: Partial<typeof defaultRelayLimits> = {}) {
  const world = await ResumableWorld.start({ limits: { ...defaultRelayLimits, ...limits } })
  const ada = await world.join('Ada')
  const bo = await world.join('Bo')
  return { world, ada, bo }
}

/** A connection whose other end is the test. */
function socket(world: ResumableWorld, token: string) {
  const seen = { closed: 0, terminated: 0, sent: [] as string[], bufferedBytes: 0 }
  const connection = new ResumableConnection(
    world.relay,
    {
      get bufferedBytes() {
        return seen.bufferedBytes
      },
      send: (text) => void seen.sent.push(text),
      ping: () => {},
      close: () => void (seen.closed += 1),
      terminate: () => void (seen.terminated += 1),
    },
    token,
  )
  return { connection, seen }
}

test('who floods before the token is checked is refused, and is not read', async () => {
  const { world, ada } = await meet()
  world.relay = { ...world.relay, authenticate: () => new Promise(() => {}) }
  const { connection, seen } = socket(world, ada.accessToken)
  connection.onOpen()
  const ping = JSON.stringify({ type: 'ping' })
  for (let n = 0; n < 16; n++) connection.onFrame(ping)
  assert.deepEqual([seen.closed, seen.sent.length], [0, 16])
  for (let n = 0; n < 100; n++) connection.onFrame(ping)
  assert.equal(seen.closed, 1)
  // The last one says why.
  assert.equal(seen.sent.length, 17)
})

test('a large frame before ready is against the protocol, and one that fits is not', async () => {
  const { world, ada } = await meet()
  const filled = (bytes: number) => {
    const frame = { ...resumeFrame(), filler: '' }
    const filler = 'é'.repeat((bytes - Buffer.byteLength(JSON.stringify(frame))) / 2)
    return JSON.stringify({ ...frame, filler })
  }
  const large = world.dial(ada.accessToken)
  await large.next('connected')
  large.raw(filled(8 * 1024 + 2))
  assert.equal(await large.ended(), 'protocol_error')
  const fits = world.dial(ada.accessToken)
  await fits.next('connected')
  fits.raw(filled(8 * 1024))
  await fits.next('ready')
})

test('a holder that goes while it is asked has answered: another instance has its place at once', async () => {
  const { world, ada } = await meet()
  const { agent: holder } = await world.open(ada, { instance: 'one' })
  holder.alive = false
  const newcomer = world.dial(ada.accessToken)
  await newcomer.next('connected')
  newcomer.send(resumeFrame({ instance: 'two', generation: 1 }))
  await world.clock.runFor(500)
  assert.equal(newcomer.frames.length, 1)
  const beganMs = world.clock.monotonicMs()
  holder.close()
  assert.equal((await newcomer.next('ready')).generation, 2)
  assert.ok(world.clock.monotonicMs() - beganMs < 1_000)
})

test('a connection that its own ping ends does not ping again', async () => {
  const { world, ada } = await meet()
  const { connection, seen } = socket(world, ada.accessToken)
  connection.onOpen()
  await world.clock.runFor(100)
  connection.onFrame(JSON.stringify(resumeFrame()))
  await world.clock.runFor(100)
  assert.equal(world.registry.sessionCount, 1)
  seen.bufferedBytes = 17 * 1024 * 1024
  await world.clock.runUntilQuiet({ withinMs: 60_000 })
  assert.deepEqual([seen.closed, seen.terminated], [1, 1])
})

test('who publishes faster than is taken is told when to go on, in order, and gets no more by connecting anew', async () => {
  const { world, ada } = await meet({ publishRate: { perSecond: 10, burst: 5 } })
  const { agent, ready } = await world.open(ada)
  for (let seq = 1; seq <= 8; seq++) agent.send(publishFrame(ready, seq))
  const verdicts = []
  for (let n = 0; n < 8; n++) verdicts.push(await agent.next('publish_ack'))
  assert.deepEqual(
    verdicts.map(({ seq, result }) => `${seq} ${result}`),
    ['1 ok', '2 ok', '3 ok', '4 ok', '5 ok', '6 retry', '7 retry', '8 retry'],
  )
  assert.equal(verdicts[5].retry_after_ms, 1_000)
  agent.close()
  const next = await world.open(ada)
  for (let seq = 1; seq <= 3; seq++) next.agent.send(publishFrame(next.ready, seq, { id: `n${seq}` }))
  const results = []
  for (let n = 0; n < 3; n++) results.push((await next.agent.next('publish_ack')).result)
  assert.ok(results.includes('retry'), results.join())
  await world.clock.runFor(1_000)
  for (let seq = 1; seq <= 3; seq++) next.agent.send(publishFrame(next.ready, seq, { id: `n${seq}` }))
  for (let n = 0; n < 3; n++) assert.equal((await next.agent.next('publish_ack')).result, 'ok')
})

test('who publishes on and on against what it is told is sent away', async () => {
  const { world, ada } = await meet({
    publishRate: { perSecond: 1, burst: 1 },
    publishWindow: { messages: 10_000, bytes: 64 * 1024 * 1024 },
  })
  const { agent, ready } = await world.open(ada)
  for (let n = 0; n < 2_500; n++) agent.send(publishFrame(ready, 1))
  assert.equal(await agent.ended(), 'rate')
})

test('more than 2,000 other frames a second are too many', async () => {
  const { world, ada } = await meet()
  const { connection, seen } = socket(world, ada.accessToken)
  connection.onOpen()
  await world.clock.runFor(100)
  connection.onFrame(JSON.stringify(resumeFrame()))
  await world.clock.runFor(1_000)
  const ping = JSON.stringify({ type: 'ping' })
  for (let n = 0; n < 2_000; n++) connection.onFrame(ping)
  assert.equal(seen.closed, 0)
  connection.onFrame(ping)
  assert.equal(seen.closed, 1)
})

test('the rates of more agents than are kept are forgotten, those first that were silent for longest', () => {
  const buckets = new TokenBuckets(new SimulatedClock().for(outside), { perSecond: 1, burst: 1 })
  for (let aiId = 1; aiId <= 10_000; aiId++) assert.ok(buckets.of(aiId).take())
  assert.equal(buckets.of(1).take(), false)
  assert.ok(buckets.of(10_001).take())
  assert.equal(buckets.of(1).take(), false)
  assert.ok(buckets.of(2).take())
})
