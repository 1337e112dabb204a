import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acknowledge, type AckOutcome } from '../../../src/hub/cursor.ts'
import type { Actor } from '../../../src/hub/publishing.ts'
import { DecisionWorld } from './hub-world.ts'

async function meet() {
  const world = new DecisionWorld()
  const ada = await world.join('Ada')
  const bo = await world.join('Bo')
  const { generation, stream } = await world.resume(bo)
  for (const id of ['m1', 'm2', 'm3']) await world.publish(ada, id)
  const reader: Actor = { ...bo, generation }
  const ack = (position: number, { epoch = stream.epoch, actor = reader } = {}): Promise<AckOutcome> =>
    world.write((tx) => acknowledge(tx, actor, { epoch, position }, world.now))
  return { world, bo, reader, ack }
}

test('an acknowledgement moves the cursor, and never back', async () => {
  const { world, bo, ack } = await meet()
  assert.equal(await ack(2), 'moved')
  assert.equal((await world.stream(bo)).acked, 2)
  assert.equal((await world.waiting(bo)).count, 1)
  assert.equal(await ack(2), 'known')
  assert.equal(await ack(1), 'known')
  assert.equal((await world.stream(bo)).acked, 2)
  assert.equal(await ack(3), 'moved')
  assert.deepEqual(await world.waiting(bo), { count: 0, bytes: 0 })
})

test('what was never sent cannot be acknowledged', async () => {
  const { world, bo, ack } = await meet()
  assert.equal(await ack(4), 'beyond')
  assert.equal((await world.stream(bo)).acked, 0)
})

test('the acknowledgement of another epoch says to resume again', async () => {
  const { world, bo, ack } = await meet()
  assert.equal(await ack(1, { epoch: 'other' }), 'resume_again')
  assert.equal((await world.stream(bo)).acked, 0)
})

test('a fenced reader moves no cursor', async () => {
  const { world, bo, reader, ack } = await meet()
  await world.tryResume(bo, { generation: 1, instance: 'two' }, 'one')
  await assert.rejects(ack(1, { actor: reader }), { code: 'ERR_FENCED' })
  assert.equal((await world.stream(bo)).acked, 0)
})
