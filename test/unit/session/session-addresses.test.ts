import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../src/errors.ts'
import { closeCodes } from '../../../src/protocol/close-codes.ts'
import { messageFrame, SessionWorld } from './session-world.ts'

const hosts = ['first', 'second']
/** These hubs answer no ping. */
const limits = { silenceMs: 24 * 3_600_000 }
const identity = new PerduraError('ERR_HUB_IDENTITY', 'another hub answers')

/** A session that is online at the second address, because the first one was down; it is up again. */
async function failedOver(probe: () => Promise<boolean>) {
  const world = new SessionWorld({ hosts, probe, limits })
  world.down('first')
  const end = await world.online()
  assert.equal(world.host, 'second')
  world.up('first')
  return { world, end }
}

test('tries the other address at once, without a delay and without another attempt', async () => {
  const world = new SessionWorld({ hosts, limits })
  world.down('first')
  await world.online()
  assert.equal(world.host, 'second')
  assert.deepEqual(world.states, ['connecting', 'connecting', 'resuming', 'online'])
  await world.stopped()
})

test('waits when all addresses have failed, longer each time, once for each round', async () => {
  const world = new SessionWorld({ hosts, limits })
  for (const host of hosts) world.down(host)
  world.session.start()
  await world.run(() => world.session.status.attempts === 3)
  const round = ['connecting', 'connecting', 'backing-off']
  assert.deepEqual(world.states, [...round, ...round, ...round])
  await world.stopped()
})

test('makes a connection that lasted again where it was, and one that did not elsewhere', async () => {
  const world = new SessionWorld({ hosts, limits })
  let end = await world.online()
  await world.clock.runFor(31_000)
  end.terminate()
  end = await world.online()
  assert.equal(world.host, 'first')
  end.terminate()
  await world.online()
  assert.equal(world.host, 'second')
  await world.stopped()
})

test('leaves a hub that drains for another address of it', async () => {
  const world = new SessionWorld({ hosts, limits })
  const end = await world.online()
  await world.clock.runFor(31_000)
  end.send({ type: 'drain', deadline_ms: 1_000, reconnect_after_ms: 60_000 })
  await world.online()
  assert.equal(world.host, 'second')
  await world.stopped()
})

test('stays where a hub says what another address would say too', async () => {
  for (const why of ['rate', 'in_use', 'unauthorized', 'resume_again'] as const) {
    const world = new SessionWorld({ hosts, limits })
    const end = await world.online()
    end.close(closeCodes[why], why)
    await world.online()
    assert.equal(world.host, 'first', why)
    await world.stopped()
  }
})

test('comes back to where the hub asked it to', async () => {
  for (const how of ['ready', 'drain'] as const) {
    const world = new SessionWorld({ hosts, limits })
    world.up('third')
    const hint = { resume_url: 'ws://third:8768' }
    const end = await world.online(how === 'ready' ? hint : {})
    assert.equal(world.host, 'first')
    if (how === 'ready') end.terminate()
    else end.send({ type: 'drain', deadline_ms: 1_000, reconnect_after_ms: 0, ...hint })
    await world.online()
    assert.equal(world.host, 'third', how)
    await world.stopped()
  }
})

test('passes over another hub, and ends only where all addresses are those of another one', async () => {
  const world = new SessionWorld({ hosts, limits })
  const usual = world.access
  world.access = () => (world.host === 'first' ? Promise.reject(identity) : usual())
  await world.online()
  assert.equal(world.host, 'second')
  await world.stopped()

  const lost = new SessionWorld({ hosts, limits })
  lost.access = () => Promise.reject(identity)
  lost.session.start()
  await lost.run(() => lost.ended !== undefined)
  assert.equal(lost.ended?.code, 'ERR_HUB_IDENTITY')
  await lost.stopped()
})

test('goes back when the preferred address works again', async () => {
  let works = false
  const { world, end } = await failedOver(async () => works)
  await world.clock.runFor(600_000)
  assert.deepEqual([world.host, end.closed], ['second', undefined])
  works = true
  await world.clock.run(() => end.closed !== undefined, { withinMs: 400_000 })
  assert.deepEqual(end.closed, { code: 1000, reason: 'back to http://first:8767' })
  await world.online()
  assert.equal(world.host, 'first')
  await world.stopped()
})

test('a return finishes first what is under way', async () => {
  const { world, end } = await failedOver(async () => true)
  world.store.add(1)
  world.session.look()
  await world.run(() => end.all('publish').length === 1)
  let release = (): void => {}
  world.store.hold = () => new Promise((resolve) => (release = resolve))
  const publishedMs = world.clock.monotonicMs()
  end.send(messageFrame(1))
  await world.run(() => world.store.busy === 1)
  while (!world.logged.includes('hub:address:returning')) await world.clock.runFor(1_000)
  assert.ok(world.clock.monotonicMs() - publishedMs > 60_000)
  world.store.add(2)
  world.session.look()
  await world.clock.runFor(1_000)
  assert.deepEqual([end.closed, end.all('publish').length], [undefined, 1])
  world.store.hold = undefined
  release()
  await world.run(() => end.all('ack').length === 1)
  end.send({ type: 'publish_ack', seq: 1, result: 'ok' })
  await world.run(() => end.closed !== undefined)
  assert.deepEqual(world.store.settled, [{ seq: 1, id: 'm1', result: 'ok' }])
  const next = await world.online({ stream: { epoch: 'e', floor: 0, top: 1, next: 2 } })
  assert.equal(world.host, 'first')
  await world.run(() => next.all('publish').length === 1)
  assert.equal(next.all('publish')[0].id, 'm2')
  await world.stopped()
})

test('a return that comes to nothing ends where it began', async () => {
  const { world } = await failedOver(async () => true)
  world.down('first')
  await world.clock.run(() => world.ends.length === 2, { withinMs: 600_000 })
  assert.equal(world.host, 'second')
  world.ends[1]?.greet()
  await world.run(() => world.ends[1]?.all('resume').length === 1)
  world.ends[1]?.ready()
  await world.run(() => world.session.status.state === 'online')
  await world.stopped()
})

test('a session that has stopped goes nowhere', async () => {
  let answer = (_works: boolean): void => {}
  const { world, end } = await failedOver(() => new Promise((resolve) => (answer = resolve)))
  await world.clock.runFor(300_000)
  await world.clock.settle(world.session.stop(), { withinMs: 30_000 })
  assert.equal(end.closed?.reason, 'the agent stops')
  answer(true)
  await world.stopped()
  assert.equal(world.session.status.state, 'stopped')
})
