import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sweepMessages } from '../../../src/hub/messages.ts'
import { sweepStreams } from '../../../src/hub/sweep.ts'
import { DecisionWorld } from './hub-world.ts'

const day = 86_400_000

async function meet() {
  const world = new DecisionWorld()
  const ada = await world.join('Ada')
  await world.join('Bo')
  const kept = () =>
    world.database
      .prepare('SELECT message_id FROM messages ORDER BY id')
      .all()
      .map((row) => row['message_id'])
  const sweep = (countMax = 500) =>
    world.write((tx) => sweepMessages(tx, world.limits, { now: world.now, countMax }))
  const sweepEntries = () =>
    world.write((tx) => sweepStreams(tx, world.limits, { now: world.now, countMax: 500 }))
  return { world, ada, kept, sweep, sweepEntries }
}

test('messages go after 30 days, in bounded batches, and young ones stay', async () => {
  const { world, ada, kept, sweep, sweepEntries } = await meet()
  for (const n of [1, 2, 3]) await world.publish(ada, `old${n}`)
  await world.clock.runFor(29 * day)
  await world.publish(ada, 'young')
  assert.equal(await sweep(), 0)
  await world.clock.runFor(2 * day)
  await sweepEntries()
  assert.equal(await sweep(2), 2)
  assert.deepEqual(kept(), ['old3', 'young'])
  assert.equal(await sweep(2), 1)
  assert.equal(await sweep(2), 0)
  assert.deepEqual(kept(), ['young'])
})

test('a message stays as long as its entry does', async () => {
  const { world, ada, kept, sweep, sweepEntries } = await meet()
  await world.publish(ada, 'old')
  await world.clock.runFor(31 * day)
  assert.equal(await sweep(), 0)
  assert.deepEqual(kept(), ['old'])
  await sweepEntries()
  assert.equal(await sweep(), 1)
})
