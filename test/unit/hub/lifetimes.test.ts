import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expireEntries, fetchEntries } from '../../../src/hub/lifetimes.ts'
import { advanceAcked } from '../../../src/hub/streams.ts'
import { sweepStreams } from '../../../src/hub/sweep.ts'
import { DecisionWorld } from './hub-world.ts'

async function meet() {
  const world = new DecisionWorld()
  const ada = await world.join('Ada')
  const bo = await world.join('Bo')
  await world.resume(ada)
  await world.resume(bo)
  const expire = (countMax = 100) => world.write((tx) => expireEntries(tx, { now: world.now, countMax }))
  const fetch = (...positions: readonly number[]) =>
    world.write((tx) => fetchEntries(tx, bo.aiId, positions, world.now))
  const inStream = async () =>
    (await world.page(bo)).items.map((item) => (item.kind === 'message' ? item.messageId : item.reason))
  const reports = async () =>
    (await world.page(ada)).items.flatMap((item) =>
      item.kind === 'message' && item.messageType === 'expired' ? [item.content] : [],
    )
  return { world, ada, bo, expire, fetch, inStream, reports }
}

test('what nobody has fetched in time is given up and reported, and leaves a gap where it was', async () => {
  const { world, ada, bo, expire, inStream, reports } = await meet()
  await world.publish(ada, 'm1')
  await world.publish(ada, 'm2', { ttlMs: 5_000 })
  await world.publish(ada, 'm3')
  await world.clock.runFor(4_999)
  assert.equal(await expire(), 0)
  await world.clock.runFor(1)
  assert.equal(await expire(), 1)
  assert.deepEqual(await inStream(), ['m1', 'ttl', 'm3'])
  assert.deepEqual(await reports(), [{ message_id: 'm2' }])
  assert.equal((await world.waiting(bo)).count, 2)
  // It is told once, and counted once, whatever comes after.
  assert.equal(await expire(), 0)
  await world.write((tx) => advanceAcked(tx, bo.aiId, { from: 0, to: 3, now: world.now }))
  assert.deepEqual(await world.waiting(bo), { count: 0, bytes: 0 })
  await world.clock.runFor(40 * 86_400_000)
  await world.write((tx) => sweepStreams(tx, world.limits, { now: world.now, countMax: 100 }))
  assert.deepEqual((await reports()).length <= 1, true)
})

test('what has been fetched in time is not given up any more, however late it is acknowledged', async () => {
  const { world, ada, expire, fetch, inStream, reports } = await meet()
  await world.publish(ada, 'm1', { ttlMs: 5_000 })
  assert.deepEqual([...(await fetch(1))], [])
  await world.clock.runFor(60_000)
  assert.equal(await expire(), 0)
  assert.deepEqual([...(await fetch(1))], [])
  assert.deepEqual([await inStream(), await reports()], [['m1'], []])
})

test('what is fetched too late is given up there and then', async () => {
  const { world, ada, fetch, inStream, reports } = await meet()
  await world.publish(ada, 'm1', { ttlMs: 5_000 })
  await world.clock.runFor(5_000)
  assert.deepEqual([...(await fetch(1))], [1])
  assert.deepEqual([await inStream(), await reports()], [['ttl'], [{ message_id: 'm1' }]])
  assert.deepEqual([...(await fetch(1))], [1])
  assert.equal((await reports()).length, 1)
})

test('a hub that was put back, and has forgotten that it gave up what its reader has passed, reports it again', async () => {
  const { world, ada, bo, expire, fetch, inStream, reports } = await meet()
  await world.publish(ada, 'm1', { ttlMs: 5_000 })
  await world.publish(ada, 'm2', { ttlMs: 60_000 })
  await world.publish(ada, 'm3', { ttlMs: 5_000 })
  assert.deepEqual([...(await fetch(3))], [])
  const backup = world.backup()
  await world.clock.runFor(5_000)
  assert.deepEqual([...(await fetch(1, 2))], [1])
  const rx = { epoch: (await world.stream(bo)).epoch, offset: 3, last_id: await world.mark(bo, 3) }
  backup.restore()
  assert.deepEqual(await reports(), [])
  assert.equal((await world.resume(bo, { generation: 1, rx })).stream.epoch, rx.epoch)
  // The second was not over when it was passed, so it can only have been fetched, as the third is known to have been.
  await world.clock.runFor(60_000)
  await expire()
  assert.deepEqual([await inStream(), await reports()], [['ttl', 'm2', 'm3'], [{ message_id: 'm1' }]])
  assert.deepEqual(await world.waiting(bo), { count: 0, bytes: 0 })
})

test('what a client without a session says it has read is not given up', async () => {
  const { world, ada, expire } = await meet()
  const cy = await world.join('Cy')
  await world.publish(ada, 'm1', { recipient: { name: 'Cy' }, ttlMs: 1_000 })
  world.database.exec("UPDATE messages SET status = 'read'")
  await world.clock.runFor(2_000)
  await expire()
  assert.deepEqual(
    (await world.page(cy)).items.map(({ kind }) => kind),
    ['message'],
  )
})

test('how long it is good for is none of what the message says: the same id may come with less', async () => {
  const { world, ada } = await meet()
  await world.publish(ada, 'm1', { ttlMs: 5_000 })
  const again = await world.publish(ada, 'm1', { ttlMs: 1 })
  assert.deepEqual([again.result, again.duplicate], ['ok', true])
})
