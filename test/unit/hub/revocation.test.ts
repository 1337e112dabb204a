import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noteLoginChange } from '../../../src/hub/auth/login-changes.ts'
import { NodesWorld } from './nodes-world.ts'

/** Two hubs on one database. */
async function start(): Promise<NodesWorld> {
  const world = new NodesWorld()
  await world.start('one')
  await world.start('other')
  return world
}

const switchOff = (world: NodesWorld, name: string): Promise<void> =>
  world.settle(
    world.storage.write(async (tx) => {
      const row = await tx.get<{ id: number }>(
        'UPDATE profiles SET is_active = 0 WHERE name = ? RETURNING id',
        name,
      )
      await noteLoginChange(tx, { aiId: row?.id ?? 0, sid: undefined })
    }),
  )

test('the sockets of a revoked login are closed at all hubs within seconds, and those of others are not', async () => {
  const world = await start()
  const ada = await world.join('one', 'Ada')
  const again = await world.login('one', 'Ada')
  const bo = await world.join('one', 'Bo')
  const session = await world.open('other', ada)
  const plain = world.dial('other', ada, '/ws/v1/connect')
  const stream = world.dial('one', ada, '/ws/v1/collaboration')
  const waiting = world.dial('one', ada)
  const others = [world.dial('other', again, '/ws/v1/messages'), world.dial('other', bo, '/ws/v1/connect')]
  await world.clock.runFor(3_000)
  assert.ok([session, plain, stream, waiting, ...others].every(({ closed }) => closed === undefined))
  const atMs = world.clock.monotonicMs()
  await world.call('one', 'POST', '/auth/logout', { token: ada })
  for (const socket of [session, plain, stream, waiting]) {
    const { code, reason } = await socket.ended()
    assert.deepEqual([code, reason], [4401, 'unauthorized ERR_TOKEN_REVOKED'])
    assert.ok((socket.closedMs as number) - atMs < 2_000)
  }
  await world.clock.runFor(3_000)
  assert.ok(others.every(({ closed }) => closed === undefined))
  const refused = world.dial('other', ada)
  assert.equal((await refused.ended()).code, 4401)
})

test('the sockets of an agent that is switched off are closed at all hubs, so that it does not come back', async () => {
  const world = await start()
  const ada = await world.join('one', 'Ada')
  const sockets = [
    await world.open('other', ada),
    world.dial('one', ada, '/ws/v1/connect'),
    world.dial('other', ada, '/ws/v1/messages'),
  ]
  await world.clock.runFor(3_000)
  await switchOff(world, 'Ada')
  const atMs = world.clock.monotonicMs()
  for (const socket of sockets) {
    const { code, reason } = await socket.ended()
    assert.deepEqual([code, reason], [4502, 'revoked ERR_PROFILE_INACTIVE'])
    assert.ok((socket.closedMs as number) - atMs < 2_000)
  }
  assert.equal((await world.dial('one', ada).ended()).code, 4502)
  assert.equal((await world.call('one', 'GET', '/ai/list', { token: ada })).status, 403)
})

test('a hub that cannot reach the database ends nobody, and takes nobody for revoked', async () => {
  const world = await start()
  const ada = await world.join('one', 'Ada')
  const bo = await world.join('one', 'Bo')
  const [session, bystander] = [await world.open('other', ada), await world.open('other', bo)]
  await world.clock.runFor(3_000)
  world.cutOff.add('other')
  await world.call('one', 'POST', '/auth/logout', { token: ada })
  await world.clock.runFor(20_000)
  assert.deepEqual([session.closed, bystander.closed], [undefined, undefined])
  const { status, body } = await world.call('other', 'GET', '/ai/list', { token: bo })
  assert.deepEqual([status, body.code], [503, 'ERR_HUB_STORAGE'])
  assert.equal((await world.dial('other', bo).ended()).code, 4007)
  world.cutOff.delete('other')
  assert.equal((await session.ended()).code, 4401)
  assert.equal(bystander.closed, undefined)
})
