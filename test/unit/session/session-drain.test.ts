import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closeCodes } from '../../../src/protocol/close-codes.ts'
import { messageFrame, SessionWorld } from './session-world.ts'

const drain = { type: 'drain', deadline_ms: 10_000, reconnect_after_ms: 4_000 }

test('with nothing under way, a drain is followed at once, and it comes back when it was told to', async () => {
  const world = new SessionWorld()
  const end = await world.online()
  end.send(drain)
  await world.run(() => end.closed !== undefined)
  assert.equal(end.closed?.code, closeCodes.drain)
  await world.run(() => world.session.status.state === 'backing-off')
  const { nextTryMs = 0, reason } = world.session.status
  assert.ok(nextTryMs >= 4_000 && nextTryMs <= 5_000, `${nextTryMs} ms`)
  assert.match(reason, /the hub goes away/)
  await world.online()
  await world.stopped()
})

test('what is under way is finished first: verdicts noted, messages on the disk and acknowledged, nothing new begun', async () => {
  const world = new SessionWorld()
  world.store.add(1)
  const end = await world.online()
  await world.run(() => end.all('publish').length === 1)
  let release = (): void => {}
  world.store.hold = () => new Promise((resolve) => (release = resolve))
  end.send(messageFrame(1))
  await world.run(() => world.store.busy === 1)
  end.send(drain)
  await world.clock.runFor(100)
  world.store.add(2)
  world.session.look()
  await world.clock.runFor(3_000)
  assert.deepEqual([end.closed, end.all('publish').length], [undefined, 1])
  world.store.hold = undefined
  release()
  await world.run(() => end.all('ack').length === 1)
  assert.equal(end.closed, undefined)
  end.send({ type: 'publish_ack', seq: 1, result: 'ok' })
  await world.run(() => end.closed !== undefined)
  assert.deepEqual(world.store.settled, [{ seq: 1, id: 'm1', result: 'ok' }])
  const next = await world.online({ stream: { epoch: 'e', floor: 0, top: 1, next: 2 } })
  await world.run(() => next.all('publish').length === 1)
  assert.equal(next.all('publish')[0].id, 'm2')
  await world.stopped()
})

test('what does not end is left before the deadline', async () => {
  const world = new SessionWorld()
  world.store.add(1)
  const end = await world.online()
  await world.run(() => end.all('publish').length === 1)
  end.send(drain)
  await world.clock.runFor(8_900)
  const before = end.closed
  await world.clock.runFor(1_000)
  assert.deepEqual([before, end.closed?.code], [undefined, closeCodes.drain])
  await world.stopped()
})

test('a hub that is quicker is told nothing, and its wish still counts', async () => {
  const world = new SessionWorld()
  world.store.add(1)
  const end = await world.online()
  await world.run(() => end.all('publish').length === 1)
  end.send({ ...drain, deadline_ms: 0, reconnect_after_ms: 30_000 })
  end.close(closeCodes.drain, 'now')
  await world.run(() => world.session.status.state === 'backing-off')
  assert.ok((world.session.status.nextTryMs ?? 0) >= 30_000)
  await world.stopped()
})

test('a drain before it is online ends the attempt', async () => {
  const world = new SessionWorld()
  const end = await world.asked()
  end.send(drain)
  await world.run(() => end.closed !== undefined)
  assert.equal(end.closed?.code, closeCodes.drain)
  await world.run(() => world.session.status.state === 'backing-off')
  assert.ok((world.session.status.nextTryMs ?? 0) >= 4_000)
  await world.stopped()
})

test('a second drain changes nothing, and stopping does not wait for the first', async () => {
  const world = new SessionWorld()
  world.store.add(1)
  const end = await world.online()
  await world.run(() => end.all('publish').length === 1)
  end.send(drain)
  end.send({ ...drain, deadline_ms: 0 })
  await world.clock.runFor(1_000)
  const before = end.closed
  await world.stopped()
  assert.deepEqual([before, end.closed?.code], [undefined, 1000])
})

test('a drain while what the hub decided is being noted leads back, and not online', async () => {
  const world = new SessionWorld()
  const end = await world.asked()
  let release = (): void => {}
  world.store.hold = () => new Promise((resolve) => (release = resolve))
  end.ready()
  await world.run(() => world.store.busy === 1)
  end.send(drain)
  await world.clock.runFor(100)
  world.store.hold = undefined
  release()
  await world.run(() => world.session.status.state === 'backing-off')
  assert.deepEqual(world.states, ['connecting', 'resuming', 'backing-off'])
  await world.online()
  await world.stopped()
})
