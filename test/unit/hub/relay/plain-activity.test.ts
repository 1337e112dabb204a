import assert from 'node:assert/strict'
import { test } from 'node:test'
import { activityLimits } from '../../../../src/hub/relay/plain-activity.ts'
import { PlainWorld, type PlainClient } from './plain-world.ts'

const minute = 60_000

/** With a login that lasts, so that nothing else ends the socket. */
async function start(limits = activityLimits()): Promise<{ world: PlainWorld; token: string; aiId: number }> {
  const world = await PlainWorld.start()
  world.relay = { ...world.relay, activity: limits }
  const { accessToken, aiId } = await world.join('Ada')
  const { authenticate } = world.relay
  const later = async (token: string) => ({
    ...(await authenticate(token)),
    expiresAt: world.clock.now() + 86_400_000,
  })
  world.relay = { ...world.relay, authenticate: later }
  return { world, token: accessToken, aiId }
}

const urgent = ({ frames }: PlainClient): string[] =>
  frames.filter((frame) => frame.urgent === true).map(({ type }) => type as string)

test('a client that says nothing is asked, put to sleep, and in the end sent away with a code', async () => {
  const { world, token, aiId } = await start()
  const client = await world.open(token)
  await world.clock.runFor(15 * minute - 1_000)
  assert.deepEqual(urgent(client), [])
  await world.clock.runFor(2_000)
  assert.equal(
    client.frames[0].content,
    '⚠️ URGENT: Your activity has not been detected for 15+ minutes. Please respond within 2 minutes to confirm you ' +
      'are active. Send any message or update your brain state to avoid being put to sleep.',
  )
  assert.equal(world.registry.isAsleep(aiId), false)
  await world.clock.runFor(2 * minute)
  assert.deepEqual(urgent(client), ['activity_verification', 'sleep_notification'])
  assert.equal(
    client.frames[1].reason,
    'no response to challenge for 2 minutes, no WebSocket heartbeat for 15+ minutes, no database activity for 15+ minutes',
  )
  assert.equal(world.registry.isAsleep(aiId), true)
  assert.deepEqual(world.registry.present(), [aiId])
  await world.clock.runFor(59 * minute)
  assert.equal(client.closed, undefined)
  assert.equal(await client.ended(2 * minute), 4001)
  assert.deepEqual(world.registry.present(), [])
})

for (const [what, afterMs] of [
  ['challenged', 16 * minute],
  ['asleep', 30 * minute],
] as const) {
  test(`any frame wakes a client that is ${what}, and all of its silence is counted anew`, async () => {
    const { world, token, aiId } = await start()
    const client = await world.open(token)
    await world.clock.runFor(afterMs)
    const before = urgent(client).length
    client.send({ type: 'unheard-of' })
    await world.clock.runFor(15 * minute - 1_000)
    assert.equal(world.registry.isAsleep(aiId), false)
    assert.equal(urgent(client).length, before)
    await world.clock.runFor(2_000)
    assert.equal(urgent(client).length, before + 1)
    client.send({ type: 'activity_confirmation' })
    await world.clock.runFor(10 * minute)
    assert.equal(urgent(client).length, before + 1)
    assert.equal(client.closed, undefined)
  })
}

test('a sleeper is given its messages, and answers to pings keep it from counting as dead, and not awake', async () => {
  const { world, token, aiId } = await start()
  const bo = await world.join('Bo')
  const client = await world.open(token)
  await world.clock.runFor(40 * minute)
  assert.equal(world.registry.isAsleep(aiId), true)
  await world.publish(bo, { aiId }, { content: 'wake up' })
  assert.equal((await client.next('message')).content, 'wake up')
  assert.equal(world.registry.isAsleep(aiId), true)
})

test('an agent that is active on one of its sockets is awake on all', async () => {
  const { world, token } = await start()
  const [talking, listening] = [await world.open(token), await world.open(token, 'messages')]
  for (let count = 0; count < 10; count++) {
    await world.clock.runFor(10 * minute)
    talking.send({ type: 'heartbeat' })
  }
  assert.deepEqual([urgent(talking), urgent(listening)], [[], []])
})

test('minutes may be fractions, and what cannot be meant is refused', async () => {
  const { world, token } = await start(
    activityLimits({ staleMs: 30_000, graceMs: 15_000, sleepMaxMs: 60_000 }),
  )
  const client = await world.open(token)
  await world.clock.runFor(31_000)
  assert.match(client.frames[0].content, /for 0\.5\+ minutes.*within 0\.25 minutes/)
  assert.equal(await client.ended(), 4001)
  assert.throws(() => activityLimits({ staleMs: 10 }), { code: 'ERR_USAGE', message: /activity\.staleMs/ })
  assert.throws(() => activityLimits({ graceMs: Number.NaN }), { message: /activity\.graceMs/ })
})
