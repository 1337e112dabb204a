import assert from 'node:assert/strict'
import { test } from 'node:test'
import { messageFrame, SessionWorld } from './session-world.ts'

test('stopped while something is written, it waits for that', async () => {
  const world = new SessionWorld()
  const end = await world.online()
  let release = (): void => {}
  world.store.hold = () => new Promise((resolve) => (release = resolve))
  end.send(messageFrame(1))
  await world.run(() => world.store.busy === 1)
  let stopped = false
  void world.session.stop().then(() => (stopped = true))
  await world.clock.runFor(30_000)
  assert.equal(stopped, false)
  release()
  await world.run(() => stopped)
  assert.deepEqual([world.store.messages, end.all('ack')], [['in1'], []])
})

test('a hub that does not answer the close is not waited for', async () => {
  const world = new SessionWorld()
  await world.online()
  world.transport.network.partition('localhost', 'hub')
  await world.clock.settle(world.session.stop(), { withinMs: 5_000 })
})

test('handed over, it says so to the hub and waits for its close', async () => {
  const world = new SessionWorld()
  const end = await world.online()
  let stopped = false
  void world.session.stop({ release: true }).then(() => (stopped = true))
  await world.run(() => end.all('release').length > 0)
  await world.clock.runFor(1_000)
  assert.equal(stopped, false)
  // What comes meanwhile is for the next process.
  end.send(messageFrame(1))
  end.close(1000, 'released')
  await world.run(() => stopped)
  assert.deepEqual([world.store.messages, end.all('ack')], [[], []])
  assert.deepEqual([world.session.status.state, world.session.status.reason], ['stopped', 'handed over'])
})

test('a hub that does not answer a release is not waited for, and one that is away is told nothing', async () => {
  const silent = new SessionWorld()
  const end = await silent.online()
  await silent.clock.settle(silent.session.stop({ release: true }), { withinMs: 5_000 })
  assert.equal(end.all('release').length, 1)
  const away = new SessionWorld()
  away.refusal = 503
  away.session.start()
  await away.run(() => away.session.status.attempts === 1)
  await away.clock.settle(away.session.stop({ release: true }), { withinMs: 10 })
})
