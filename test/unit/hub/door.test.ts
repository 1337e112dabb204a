import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NodesWorld } from './nodes-world.ts'

const admission = {
  resumes: { perSecond: 20, burst: 5 },
  newSessions: { perSecond: 10, burst: 2 },
}

/** Everything that is in the database. */
function contents(world: NodesWorld): Promise<unknown> {
  return world.settle(
    world.storage.read(async (reader) => {
      const tables = await reader.all<{ name: string }>(
        "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
      )
      const all: unknown[] = []
      for (const { name } of tables) all.push([name, await reader.all(`SELECT * FROM ${name}`)])
      return all
    }),
  )
}

test('a handshake for which there is no room is refused with 503 and a wait, and changes nothing', async () => {
  const world = new NodesWorld()
  await world.start('one', { admission })
  const tokens = [await world.join('one', 'Ada', 1), await world.join('one', 'Bo', 1)]
  const first = tokens[0] as string
  const before = await contents(world)
  const burst = Array.from({ length: 8 }, () => world.dial('one', first))
  await world.clock.run(() => burst.filter(({ closed }) => closed !== undefined).length === 3)
  const refused = burst.filter(({ closed }) => closed !== undefined)
  for (const { closed, opened } of refused) {
    assert.deepEqual([opened, closed?.status], [false, 503])
    assert.ok((closed?.retryAfterMs ?? 0) >= 50)
  }
  assert.deepEqual(await contents(world), before)
  // Somebody else waits behind it, and is then let in.
  const other = world.dial('one', tokens[1] as string)
  const { status, retryAfterMs = 0 } = await other.ended()
  assert.equal(status, 503)
  await world.clock.runFor(retryAfterMs)
  assert.equal((await world.dial('one', tokens[1] as string).first('connected')).ai_name, 'Bo')
})

test('a crowd of new sessions keeps nobody from resuming', async () => {
  const world = new NodesWorld()
  await world.start('one', { admission })
  const fresh = await world.join('one', 'Ada', 0)
  const known = await world.join('one', 'Bo', 1)
  const crowd = Array.from({ length: 50 }, () => world.dial('one', fresh))
  const session = await world.open('one', known, { generation: 1 })
  assert.equal(session.closed, undefined)
  const refused = crowd.filter(({ closed }) => closed?.status === 503)
  assert.ok(refused.length > 40, `${refused.length} were refused`)
})

test('more logins than the hub takes are told when to come back, whatever step they are at', async () => {
  const world = new NodesWorld()
  await world.start('one', { admission: { logins: { perSecond: 1, burst: 3 } } })
  for (const name of ['Ada', 'Bo', 'Cy']) await world.join('one', name)
  for (const [path, body] of [
    ['/auth/challenge', { name: 'Di' }],
    ['/auth/login', { ai_name: 'Ada', ai_secret: 'a secret of enough characters' }],
  ] as const) {
    const refused = await world.call('one', 'POST', path, { body })
    assert.deepEqual([refused.status, refused.body.code], [503, 'ERR_HUB_BUSY'])
    const waitMs = Number(refused.headers['retry-after-ms'])
    assert.ok(waitMs > 0)
    assert.equal(refused.headers['retry-after'], String(Math.ceil(waitMs / 1_000)))
    assert.equal(refused.body.retry_after, Math.ceil(waitMs / 1_000))
  }
  await world.clock.runFor(5_000)
  const challenged = await world.call('one', 'POST', '/auth/challenge', { body: { name: 'Ada' } })
  assert.equal(challenged.status, 200)
  await world.call('one', 'POST', '/auth/challenge', { body: { name: 'Bo' } })
  await world.call('one', 'POST', '/auth/challenge', { body: { name: 'Cy' } })
  // What its challenge has paid for is answered, if with a refusal.
  const login = { ai_name: 'Ada', nonce: challenged.body.nonce, signature: 'x'.repeat(86) }
  assert.equal((await world.call('one', 'POST', '/auth/login', { body: login })).status, 401)
})

test('sockets with a token that opens nothing are told so, up to a bound of their address', async () => {
  const world = new NodesWorld()
  await world.start('one', { admission: { badTokens: { perSecond: 1, burst: 2 } } })
  const known = await world.join('one', 'Ada')
  const sockets = Array.from({ length: 4 }, () => world.dial('one', 'nonsense'))
  await world.clock.runFor(1_000)
  const ends = sockets.map(({ closed }) => closed?.status ?? closed?.code ?? 0)
  assert.deepEqual(
    ends.toSorted((a, b) => a - b),
    [429, 429, 4401, 4401],
  )
  await world.open('one', known)
})

test('handshakes that are abandoned make room again', async () => {
  const world = new NodesWorld()
  await world.start('one', { admission: { underWayMax: 4 } })
  const token = await world.join('one', 'Ada', 1)
  const half = Array.from({ length: 4 }, () => world.dial('one', token))
  await world.clock.runFor(500)
  assert.equal((await world.dial('one', token).ended()).status, 503)
  for (const socket of half) socket.close()
  await world.clock.runFor(500)
  await world.open('one', token, { generation: 1 })
})
