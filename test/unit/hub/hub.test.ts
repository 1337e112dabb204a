import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHub } from '../../../src/hub/hub.ts'
import type { Log } from '../../../src/platform/log.ts'
import { keysFolder } from './auth/world.ts'
import { DecisionWorld } from './hub-world.ts'

const day = 86_400_000
const minute = 60_000
/** Less than the usual 30: it looks every minute. */
const ageDays = 4

/** A hub that nobody reaches: it sweeps. */
async function start() {
  const world = new DecisionWorld()
  const { ports, random, storage } = world
  const warnings: string[] = []
  const log: Log = {
    debug: () => {},
    info: () => {},
    warn: (event) => void warnings.push(event),
    error: (event) => assert.fail(event),
    with: () => log,
  }
  const listener = { listen: () => assert.fail('it has no address') }
  const hub = await world.settle(
    createHub({
      platform: { ...ports, random, listener },
      log,
      storage,
      keysFolder,
      addresses: [],
      streamLimits: { ageMaxMs: ageDays * day },
      // Days go by here.
      auth: { watch: { pollMs: 3_600_000, trustMs: 7_200_000 } },
    }),
  )
  const ada = await world.join('Ada')
  const bo = await world.join('Bo')
  await world.publish(ada, 'm1')
  const count = (table: 'messages' | 'entries') =>
    Number(world.database.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.['count'])
  return { world, hub, ada, bo, warnings, count }
}

test('what is over is swept: entries, and the messages with them', async () => {
  const { world, hub, count } = await start()
  await world.clock.runFor((ageDays - 1) * day)
  assert.deepEqual([count('entries'), count('messages')], [1, 1])
  await world.clock.runFor(day + 2 * minute)
  assert.deepEqual([count('entries'), count('messages')], [0, 0])
  await world.settle(hub.close())
})

test('a wall clock that has jumped expires nothing, and is warned of once', async () => {
  for (const jumpMs of [40 * day, -2 * 3_600_000]) {
    const { world, hub, warnings, count } = await start()
    await world.clock.runFor(5 * minute)
    world.clock.jump(jumpMs)
    await world.clock.runFor(10 * minute)
    assert.equal(count('entries'), 1)
    assert.deepEqual(warnings, ['hub:clock:doubted'])
    world.clock.jump(-jumpMs)
    await world.clock.runFor((ageDays - 1) * day)
    assert.equal(count('entries'), 1)
    await world.clock.runFor(2 * day)
    assert.equal(count('entries'), 0)
    assert.deepEqual(warnings, ['hub:clock:doubted'])
    await world.settle(hub.close())
  }
})

test('a wall clock that is put right by less than an hour stops nothing', async () => {
  const { world, hub, warnings, count } = await start()
  world.clock.jump(3_000_000)
  await world.clock.runFor((ageDays + 1) * day)
  assert.equal(count('entries'), 0)
  assert.deepEqual(warnings, [])
  await world.settle(hub.close())
})

test('a new time that has held for a day is believed', async () => {
  const { world, hub, count } = await start()
  world.clock.jump(40 * day)
  await world.clock.runFor(day - 10 * minute)
  assert.equal(count('entries'), 1)
  await world.clock.runFor(20 * minute)
  assert.equal(count('entries'), 0)
  await world.settle(hub.close())
})

test('a hub on a machine that sleeps every night sweeps all the same', async () => {
  const { world, hub, count } = await start()
  for (let night = 0; night < 33; night++) {
    await world.clock.runFor(16 * 60 * minute)
    world.clock.jump(8 * 60 * minute)
  }
  await world.clock.runFor(2 * minute)
  assert.equal(count('entries'), 0)
  await world.settle(hub.close())
})
