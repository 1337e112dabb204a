import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closeCodes } from '../../../src/protocol/close-codes.ts'
import { messageFrame, SessionWorld, type HubEnd } from './session-world.ts'

/** Answers every ping from now on. */
function answering(world: SessionWorld, end: HubEnd): void {
  let answered = 0
  const look = (): void => {
    const pings = end.all('ping')
    for (; answered < pings.length; answered++) {
      end.send({ type: 'pong', sent_ms: pings[answered]?.sent_ms, time: '2026-01-01T00:00:00.000Z' })
    }
    if (end.closed === undefined) world.clock.schedule(20, look)
  }
  look()
}

test('what waits tries within a second when the network changes, and counts anew', async () => {
  const world = new SessionWorld()
  world.refusal = 503
  world.session.start()
  await world.run(() => world.session.status.attempts === 5)
  const { nextTryMs = 0 } = world.session.status
  world.refusal = undefined
  world.session.occasion({ reason: 'another network', passedMs: 0 })
  const { state, reason, attempts, nextTryMs: soonMs = Infinity } = world.session.status
  assert.deepEqual([state, reason, attempts], ['backing-off', 'another network', 0])
  assert.ok(soonMs <= 1_000 && soonMs < nextTryMs, `${soonMs} ms, before ${nextTryMs} ms`)
  await world.clock.runFor(1_100)
  assert.equal(world.ends.length, 1)
  await world.stopped()
})

test('suspended after two minutes, it is woken too', async () => {
  const world = new SessionWorld()
  world.refusal = 503
  world.session.start()
  await world.clock.run(() => world.session.status.state === 'suspended')
  assert.ok(world.clock.monotonicMs() >= 120_000)
  assert.ok((world.session.status.nextTryMs ?? 0) <= 30_000)
  world.refusal = undefined
  world.session.occasion({ reason: 'the machine slept', passedMs: 3_600_000 })
  assert.equal(world.session.status.state, 'backing-off')
  await world.online()
  await world.stopped()
})

test('after the last attempt it stays suspended and says so, until there is an occasion, or somebody asks', async () => {
  for (const act of ['occasion', 'reconnect'] as const) {
    const world = new SessionWorld({ retry: { attemptsMax: 3 } })
    world.refusal = 503
    world.session.start()
    await world.run(() => world.exhausted.length > 0)
    const { state, reason, nextTryMs } = world.session.status
    assert.deepEqual([state, nextTryMs], ['suspended', undefined])
    assert.match(reason, /HTTP 503\. It has given up after 3 attempts.*perdura session reconnect/)
    assert.deepEqual(world.exhausted, [{ attempts: 3, reason: 'HTTP 503' }])
    await world.clock.runFor(3_600_000)
    assert.equal(world.states.at(-1), 'suspended')
    world.refusal = undefined
    if (act === 'occasion') world.session.occasion({ reason: 'another network', passedMs: 0 })
    else world.session.reconnect('a person')
    await world.online()
    assert.equal(world.session.status.attempts, 0)
    await world.stopped()
  }
})

test('a connection that is online has to show that it lives, and is kept when it does', async () => {
  const world = new SessionWorld()
  const end = await world.online()
  answering(world, end)
  await world.clock.runFor(1_000)
  const before = end.all('ping').length
  world.session.occasion({ reason: 'another network', passedMs: 0 })
  await world.clock.runFor(100)
  assert.equal(end.all('ping').length, before + 1)
  await world.clock.runFor(20_000)
  assert.deepEqual([world.session.status.state, world.ends.length], ['online', 1])
  const { roundTripMs = 0, clockSkewMs = 0 } = world.session.status.measured ?? {}
  assert.ok(roundTripMs > 0 && roundTripMs < 100, `${roundTripMs} ms`)
  assert.ok(clockSkewMs < 0)
  await world.stopped()
})

test('one that does not answer is replaced within seconds', async () => {
  const world = new SessionWorld()
  const end = await world.online()
  world.session.occasion({ reason: 'the machine slept', passedMs: 3_600_000 })
  await world.clock.runFor(4_900)
  // What came before, and is read only now, is no answer.
  end.send(messageFrame(1))
  assert.equal(world.session.status.state, 'online')
  await world.run(() => world.session.status.state !== 'online')
  assert.match(world.session.status.reason, /no answer within 5.0s after the machine slept/)
  await world.online({ stream: { epoch: 'e', floor: 0, top: 1, next: 2 } })
  await world.stopped()
})

for (const [phase, act] of [
  ['opened', () => {}],
  ['greeted', (end: HubEnd) => end.greet()],
] as const) {
  test(`an attempt that was ${phase} before the machine slept gets five seconds more`, async () => {
    const world = new SessionWorld()
    world.session.start()
    const end = await world.next()
    act(end)
    await world.clock.runFor(100)
    world.session.occasion({ reason: 'the machine slept', passedMs: 60_000 })
    await world.clock.runFor(4_500)
    assert.equal(end.closed, undefined)
    await world.run(() => world.session.status.state === 'backing-off')
    assert.match(world.session.status.reason, /not online within 5.0s after the machine slept/)
    await world.online()
    await world.stopped()
  })
}

test('asked for, another connection follows one that is ended in good order', async () => {
  const world = new SessionWorld()
  world.store.add(1)
  const first = await world.online()
  await world.run(() => first.all('publish').length === 1)
  world.session.reconnect('a person asked')
  world.store.add(2)
  world.session.look()
  await world.clock.runFor(100)
  assert.deepEqual([first.all('publish').length, first.closed], [1, undefined])
  first.send({ type: 'publish_ack', seq: 1, result: 'ok' })
  await world.run(() => first.closed !== undefined)
  assert.deepEqual(first.closed, { code: 1000, reason: 'a person asked' })
  assert.deepEqual(world.store.settled, [{ seq: 1, id: 'm1', result: 'ok' }])
  await world.online()
  assert.deepEqual(world.states.slice(2), ['online', 'backing-off', 'connecting', 'resuming', 'online'])
  await world.stopped()
})

test('what a hub says while it is being left counts more than the wish to come back', async () => {
  const world = new SessionWorld()
  world.store.add(1)
  const end = await world.online()
  world.session.reconnect('a person asked')
  end.close(closeCodes.replaced, 'replaced by two')
  await world.run(() => world.ended !== undefined)
  assert.equal(world.session.status.state, 'stopped')
  await world.stopped()
})

test('neither a stopped session nor one that has not begun reacts', async () => {
  const world = new SessionWorld()
  world.session.occasion({ reason: 'x', passedMs: 0 })
  world.session.reconnect('x')
  assert.deepEqual(world.states, [])
  await world.stopped()
  world.session.occasion({ reason: 'x', passedMs: 0 })
  world.session.reconnect('x')
  assert.deepEqual(world.states, ['stopped'])
})

test('a refusal that says when to come back is obeyed, and a person need not wait for it', async () => {
  const world = new SessionWorld()
  world.refusal = 503
  world.refusalRetryAfterMs = 60_000
  world.session.start()
  await world.run(() => world.session.status.state === 'backing-off')
  const { nextTryMs = 0 } = world.session.status
  assert.ok(nextTryMs >= 60_000 && nextTryMs <= 63_000, `${nextTryMs} ms`)
  world.session.occasion({ reason: 'another network', passedMs: 0 })
  assert.ok((world.session.status.nextTryMs ?? 0) >= 59_000)
  world.refusal = undefined
  world.session.reconnect('a person asked')
  assert.equal(world.session.status.nextTryMs, 0)
  await world.online()
  await world.stopped()
})
