import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HubWorld, type TestAgent } from './hub-world.ts'

const address = 'http://127.0.0.1:9001'
const hour = 3_600_000

const identifierOf = ({ agent }: TestAgent): unknown =>
  agent.reader.get<{ id: string }>('SELECT session_identifier AS id FROM session')?.id

/** Virtual time until it is online. */
async function backAfter(world: HubWorld, ada: TestAgent): Promise<number> {
  const fromMs = world.clock.monotonicMs()
  await world.run(() => ada.session === 'online')
  return world.clock.monotonicMs() - fromMs
}

for (const monotonicGoesOn of [false, true]) {
  const how = monotonicGoesOn ? 'stopped' : 'asleep'
  test(`after an hour ${how} it is online again within seconds, in the same session`, async () => {
    const world = new HubWorld()
    await world.hub(world.place(), 9001)
    const ada = await world.online('Ada', world.place(), { hub: address })
    const identifier = identifierOf(ada)
    world.clock.sleep(ada.process, hour, { monotonicGoesOn })
    await world.clock.runFor(hour)
    await world.run(() => ada.session !== 'online')
    const backMs = await backAfter(world, ada)
    assert.ok(backMs < 4_000, `${backMs} ms`)
    assert.equal(identifierOf(ada), identifier)
    await world.close(ada)
  })

  test(`an hour ${how} in the middle of a long outage is not followed by another wait`, async () => {
    const world = new HubWorld()
    const place = world.place()
    const { process } = await world.hub(place, 9001)
    const ada = await world.online('Ada', world.place(), { hub: address })
    process.kill('away')
    await world.run(() => ada.session === 'suspended' && (ada.agent.session?.nextTryMs ?? 0) > 19_000)
    world.clock.sleep(ada.process, hour, { monotonicGoesOn })
    await world.hub(place, 9001)
    await world.clock.runFor(hour)
    const backMs = await backAfter(world, ada)
    assert.ok(backMs < 5_000, `${backMs} ms`)
    await world.close(ada)
  })
}

test('a clock that is set by an hour ends no connection', async () => {
  const world = new HubWorld()
  await world.hub(world.place(), 9001)
  const ada = await world.online('Ada', world.place(), { hub: address })
  const steps: string[] = []
  ada.agent.on('session:state:changed', ({ to }) => void steps.push(to))
  for (const jumpMs of [hour, -2 * hour]) {
    world.clock.jump(jumpMs)
    await world.clock.runFor(60_000)
  }
  assert.deepEqual(steps, [])
  assert.ok(world.logged.filter((event) => event === 'session:occasion').length === 2)
  await world.close(ada)
})

test('a network that changes under a dead connection is noticed by it, long before silence would be', async () => {
  const world = new HubWorld()
  await world.hub(world.place(), 9001)
  const ada = await world.online('Ada', world.place(), { hub: address })
  world.network.partition('localhost', 'localhost')
  world.network.changed('localhost', 'another network')
  const fromMs = world.clock.monotonicMs()
  await world.run(() => ada.session !== 'online')
  const noticedMs = world.clock.monotonicMs() - fromMs
  assert.ok(noticedMs < 7_000, `${noticedMs} ms`)
  world.network.heal()
  await world.run(() => ada.session === 'online')
  await world.close(ada)
  // Nobody is told any more who has gone.
  world.network.changed('localhost', 'a third one')
  await world.clock.runFor(10_000)
  assert.equal(ada.session, 'stopped')
})

test('without a hub there is no session to ask about, or to connect', async () => {
  const world = new HubWorld()
  const ada = await world.open('Ada', world.place())
  assert.equal(ada.agent.session, undefined)
  assert.throws(() => ada.agent.reconnect('why not'), { code: 'ERR_NO_SUCH_SESSION' })
  await world.close(ada)
})
