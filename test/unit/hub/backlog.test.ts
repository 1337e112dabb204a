import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBacklog } from '../../../src/hub/backlog.ts'
import { advanceAcked } from '../../../src/hub/streams.ts'
import { sweepStreams } from '../../../src/hub/sweep.ts'
import { DecisionWorld } from './hub-world.ts'

test('the backlog is what waits for all agents together, and since when the oldest of it does', async () => {
  const world = new DecisionWorld()
  const backlog = () => world.read(readBacklog)
  assert.deepEqual(await backlog(), { messages: 0, oldestAt: undefined })
  const ada = await world.join('Ada')
  const bo = await world.join('Bo')
  await world.join('Cy')
  await world.resume(bo)
  const came: number[] = []
  for (const [index, name] of ['Bo', 'Bo', 'Cy', 'Bo'].entries()) {
    came.push(world.now)
    await world.publish(ada, `m${index}`, { recipient: { name } })
    await world.clock.runFor(1_000)
  }
  assert.deepEqual(await backlog(), { messages: 4, oldestAt: came[0] })
  const advance = (from: number, to: number) =>
    world.write((tx) => advanceAcked(tx, bo.aiId, { from, to, now: world.now }))
  await advance(0, 1)
  assert.deepEqual(await backlog(), { messages: 3, oldestAt: came[1] })
  await advance(1, 2)
  assert.deepEqual(await backlog(), { messages: 2, oldestAt: came[2] })
  // What nobody came for in time goes, and the stream begins behind it.
  world.limits = { ...world.limits, ageMaxMs: 1_500 }
  await world.write((tx) => sweepStreams(tx, world.limits, { now: world.now, countMax: 100 }))
  assert.deepEqual(await backlog(), { messages: 1, oldestAt: came[3] })
  await advance(2, 3)
  assert.deepEqual(await backlog(), { messages: 0, oldestAt: undefined })
})
