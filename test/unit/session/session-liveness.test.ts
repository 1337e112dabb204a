import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SessionWorld, type HubEnd } from './session-world.ts'

test('a hub that says nothing is given up, and any frame counts as a sign', async () => {
  const world = new SessionWorld()
  const end = await world.online()
  for (let n = 0; n < 6; n++) {
    await world.clock.runFor(20_000)
    end.send({ type: 'ping', sent_ms: n })
  }
  await world.clock.runFor(10_000)
  assert.equal(world.session.status.state, 'online')
  assert.deepEqual(
    end.all('pong').map(({ sent_ms: sentMs }) => sentMs),
    [0, 1, 2, 3, 4, 5],
  )
  await world.run(() => world.session.status.state === 'backing-off')
  assert.match(world.session.status.reason, /nothing was heard/)
  await world.stopped()
})

for (const [phase, act] of [
  ['before the greeting', () => {}],
  ['after it', (end: HubEnd) => end.greet()],
] as const) {
  test(`a hub that keeps it waiting ${phase} is timed out`, async () => {
    const world = new SessionWorld()
    world.session.start()
    const end = await world.next()
    act(end)
    await world.clock.runFor(9_900)
    assert.equal(end.closed, undefined)
    await world.run(() => world.session.status.state === 'backing-off')
    assert.match(world.session.status.reason, /the handshake was not over within 10.0s/)
    await world.stopped()
  })
}

test('a hub that does not answer the upgrade is timed out', async () => {
  const world = new SessionWorld()
  world.transport.network.partition('localhost', 'hub')
  world.session.start()
  await world.clock.runFor(9_900)
  assert.equal(world.session.status.state, 'connecting')
  await world.run(() => world.session.status.state === 'backing-off')
  assert.equal(world.session.status.reason, 'no connection within 10.0s')
  world.transport.network.heal()
  await world.stopped()
})
