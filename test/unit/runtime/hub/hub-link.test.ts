import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineAgent } from '../../../../src/index.ts'
import { hasCode } from '../../credentials/fake-hub.ts'
import { HubWorld, inboxOf, pendingOf } from './hub-world.ts'

const first = 'http://127.0.0.1:9001'
const second = 'http://127.0.0.1:9002'

test('an agent that is closed right after it was opened lets go of its store', async () => {
  const world = new HubWorld()
  const place = world.place()
  const agent = await world.open('Ada', place, { hub: first })
  await world.close(agent)
  // Nobody holds its lock any more, and the hub's absence is no reason to fail either.
  const again = await world.open('Ada', place, { hub: first })
  await world.run(() => again.session === 'backing-off')
  await world.close(again)
})

test('a disk that is full at the first contact makes it wait, and not die', async () => {
  const world = new HubWorld()
  await world.hub(world.place(), 9001)
  const place = world.place()
  const ada = await world.open('Ada', place, { hub: first })
  place.disk.capacityBytes = 0
  await world.run(() => ada.session === 'backing-off')
  assert.equal(ada.process.alive, true)
  place.disk.capacityBytes = 100_000_000
  await world.run(() => ada.session === 'online')
  await world.close(ada)
})

test('another spelling or port of a hub on this machine leads to the same place', async () => {
  const world = new HubWorld()
  const hubAddress = world.place()
  const { process } = await world.hub(hubAddress, 9001)
  const place = world.place()
  const ada = await world.online('Ada', place, { hub: first })
  await world.deliver(ada, 'Nobody', 'm1')
  await world.close(ada)
  const other = await world.online('Ada', place, { hub: 'http://localhost:9001' })
  assert.deepEqual(sessionsOf(other.agent.reader.all(sessions)), [[first, 2]])
  await world.close(other)
  process.kill('moves')
  await world.hub(hubAddress, 9002)
  const moved = await world.online('Ada', place, { hub: second })
  assert.deepEqual(sessionsOf(moved.agent.reader.all(sessions)), [[first, 3]])
  await world.close(moved)
})

test('another hub at the address is an end with a reason, until a person trusts it', async () => {
  const world = new HubWorld()
  const place = world.place()
  const { process } = await world.hub(world.place(), 9001)
  const ada = await world.online('Ada', place, { hub: first })
  await world.close(ada)
  process.kill('its disk is gone')
  await world.hub(world.place(), 9001)
  const refused = await world.open('Ada', place, { hub: first })
  await world.run(() => refused.ended !== undefined)
  assert.equal(refused.ended, 'ERR_HUB_IDENTITY')
  await world.close(refused)
  const trusting = await world.online('Ada', place, { hub: first, trustNewHub: true })
  await world.close(trusting)
  await world.close(await world.online('Ada', place, { hub: first }))
})

test('an agent whose session has ended stops by itself', async () => {
  const world = new HubWorld()
  await world.hub(world.place(), 9001)
  const place = world.place()
  let aborted = false
  const definition = defineAgent({
    name: 'Ada',
    onMessage: (_, ctx) =>
      new Promise((resolve) => ctx.signal.addEventListener('abort', () => resolve(void (aborted = true)))),
  })
  const old = await world.online('Ada', place, { hub: first, definition })
  await world.clock.settle(old.agent.ingest({ id: '1', payload: 'go' }))
  let stopped = false
  old.agent.on('agent:stop:done', () => (stopped = true))
  const copy = await world.open('Ada', world.copyOf(place), { hub: first, takeover: true })
  await world.run(() => stopped && copy.session === 'online')
  assert.deepEqual([old.ended, aborted, copy.session], ['ERR_FENCED', true, 'online'])
  await assert.rejects(old.agent.ingest({ id: '2', payload: 'go' }), hasCode('ERR_STORE_CLOSED', true))
  await world.close(old, copy)
})

test('what one hub accepted is not sent to another that was put back', async () => {
  const world = new HubWorld()
  await world.hub(world.place(), 9001)
  const secondPlace = world.place()
  const { process } = await world.hub(secondPlace, 9002)
  const adaPlace = world.place()
  const boPlace = world.place()
  // Both are known at both hubs.
  for (const hub of [second, first]) {
    await world.close(
      await world.online('Bo', boPlace, { hub }),
      await world.online('Ada', adaPlace, { hub }),
    )
  }
  const image = secondPlace.database.image() ?? new Uint8Array()
  const ada = await world.online('Ada', adaPlace, { hub: first })
  await world.deliver(ada, 'Bo', 'm1', 'm2', 'm3')
  await world.close(ada)
  const moved = await world.online('Ada', adaPlace, { hub: second })
  await world.deliver(moved, 'Bo', 'm4')
  await world.close(moved)
  process.kill('is put back')
  secondPlace.database.putBack(image)
  await world.hub(secondPlace, 9002)
  const rewound = await world.online('Ada', adaPlace, { hub: second })
  await world.run(() => pendingOf(rewound.agent) === 0)
  const bo = await world.online('Bo', boPlace, { hub: second })
  await world.run(() => inboxOf(bo.agent).length > 0)
  await world.clock.runFor(10_000)
  assert.deepEqual(inboxOf(bo.agent), ['m4'])
  await world.close(rewound, bo)
})

test('what a hub accepted goes to it once more, wherever its sender was meanwhile', async () => {
  const world = new HubWorld()
  await world.hub(world.place(), 9001)
  const secondPlace = world.place()
  const { process } = await world.hub(secondPlace, 9002)
  const adaPlace = world.place()
  const boPlace = world.place()
  await world.close(await world.online('Bo', boPlace, { hub: second }))
  const ada = await world.online('Ada', adaPlace, { hub: second })
  await world.deliver(ada, 'Bo', 'm1')
  const image = secondPlace.database.image() ?? new Uint8Array()
  await world.deliver(ada, 'Bo', 'm2')
  await world.close(ada)
  await world.close(await world.online('Ada', adaPlace, { hub: first }))
  process.kill('is put back')
  secondPlace.database.putBack(image)
  await world.hub(secondPlace, 9002)
  const back = await world.online('Ada', adaPlace, { hub: second })
  await world.run(() => pendingOf(back.agent) === 0)
  const bo = await world.online('Bo', boPlace, { hub: second })
  await world.clock.runFor(10_000)
  assert.deepEqual(inboxOf(bo.agent), ['m1', 'm2'])
  await world.close(back, bo)
})

test('numbers that were used without a hub do not keep it from going on with one', async () => {
  const world = new HubWorld()
  await world.hub(world.place(), 9001)
  const adaPlace = world.place()
  const bo = await world.online('Bo', world.place(), { hub: first })
  const ada = await world.online('Ada', adaPlace, { hub: first })
  await world.deliver(ada, 'Bo', 'm1', 'm2')
  await world.close(ada)
  const local = await world.open('Ada', adaPlace, { deliver: async () => ({ verdict: 'delivered' }) })
  await world.deliver(local, 'Bo', 'l1', 'l2')
  await world.close(local)
  const away = await world.open('Ada', adaPlace, { deliver: async () => ({ verdict: 'retry', error: 'no' }) })
  for (const id of ['m3', 'm4']) await world.clock.settle(away.agent.send({ id, to: 'Bo', content: id }))
  await world.close(away)
  const again = await world.online('Ada', adaPlace, { hub: first })
  await world.run(() => pendingOf(again.agent) === 0)
  await world.deliver(again, 'Bo', 'm5')
  await world.run(() => inboxOf(bo.agent).length >= 5)
  assert.deepEqual(inboxOf(bo.agent), ['m1', 'm2', 'm3', 'm4', 'm5'])
  await world.close(again, bo)
})

const sessions = 'SELECT hub, generation FROM session ORDER BY hub'

function sessionsOf(rows: readonly unknown[]): unknown[] {
  return (rows as { hub: string; generation: number }[]).map(({ hub, generation }) => [hub, generation])
}

test('an agent hears of a message that nobody fetched in time, and no mind gets to see it', async () => {
  const world = new HubWorld()
  await world.hub(world.place(), 9001, { ageMaxMs: 30_000 })
  await world.close(await world.online('Bo', world.place(), { hub: first }))
  const ada = await world.online('Ada', world.place(), { hub: first })
  const expired: unknown[] = []
  ada.agent.on('outbox:message:expired', (event) => expired.push(event))
  await world.deliver(ada, 'Bo', 'm1')
  await world.run(() => expired.length > 0)
  assert.deepEqual(expired, [{ sequence: 1, to: 'Bo', reason: 'nobody fetched it in time' }])
  assert.deepEqual(
    ada.agent.reader.all('SELECT status FROM outbox').map((row) => ({ ...(row as object) })),
    [{ status: 'expired' }],
  )
  assert.deepEqual(inboxOf(ada.agent), [])
  await world.close(ada)
})

test('what is good for a while only and is not fetched is reported, whoever had it then', async () => {
  const world = new HubWorld()
  const hub = await world.hub(world.place(), 9001)
  const boPlace = world.place()
  await world.close(await world.online('Bo', boPlace, { hub: first }))
  const adaPlace = world.place()
  const ada = await world.online('Ada', adaPlace, { hub: first })
  const expired: unknown[] = []
  ada.agent.on('outbox:message:expired', ({ sequence, reason }) => expired.push([sequence, reason]))
  // One that the hub gives up, and one that never gets there.
  await world.clock.settle(ada.agent.send({ id: 'm1', to: 'Bo', content: 'm1', ttl: '20s' }))
  await world.run(() => pendingOf(ada.agent) === 0)
  await world.run(() => expired.length === 1)
  hub.process.kill('is away')
  await world.run(() => ada.session !== 'online')
  await world.clock.settle(ada.agent.send({ id: 'm2', to: 'Bo', content: 'm2', ttl: 2_000 }))
  await world.clock.settle(ada.agent.send({ id: 'm3', to: 'Bo', content: 'm3' }))
  await world.clock.runFor(1_999)
  assert.equal(expired.length, 1)
  await world.run(() => expired.length === 2)
  assert.deepEqual(expired, [
    [1, 'nobody fetched it in time'],
    [2, 'it was not sent in time'],
  ])
  await world.close(ada)
})
