import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fails, login, registered } from './secret-login.ts'

test('a refresh gives another pair, and keeps who it is for', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const first = await login(setting, { generation: 2, nickname: 'N' })
  await world.clock.runFor(400_000)
  const second = await world.settle(auth.refresh(first.refreshToken))
  assert.notEqual(second.refreshToken, first.refreshToken)
  await world.clock.runFor(300_000)
  await fails(world.settle(auth.authenticate(first.accessToken)), 'ERR_TOKEN_EXPIRED')
  const principal = await world.settle(auth.authenticate(second.accessToken))
  assert.deepEqual([principal.generation, principal.nickname, principal.name], [2, 'N', 'Ada'])
})

test('a refresh whose answer was lost gives the same pair again for 30 seconds', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const { refreshToken } = await login(setting)
  const answered = await world.settle(auth.refresh(refreshToken))
  await world.clock.runFor(29_000)
  const repeated = await world.settle(auth.refresh(refreshToken))
  assert.equal(repeated.accessToken, answered.accessToken)
  assert.equal(repeated.refreshToken, answered.refreshToken)
  assert.ok(repeated.expiresInS <= 3_571)
  await world.settle(auth.refresh(answered.refreshToken))
})

test('two refreshes at once get the same pair', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const { refreshToken } = await login(setting)
  const both = Promise.all([auth.refresh(refreshToken), auth.refresh(refreshToken)])
  const [one, other] = await world.settle(both)
  assert.deepEqual(one, other)
})

test('a refresh token that comes again later revokes all tokens of its login, and no others', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const stolen = await login(setting)
  const unconcerned = await login(setting)
  const second = await world.settle(auth.refresh(stolen.refreshToken))
  await world.clock.runFor(31_000)
  await fails(world.settle(auth.refresh(stolen.refreshToken)), 'ERR_TOKEN_REVOKED')
  await fails(world.settle(auth.authenticate(second.accessToken)), 'ERR_TOKEN_REVOKED')
  await fails(world.settle(auth.refresh(second.refreshToken)), 'ERR_TOKEN_REVOKED')
  await world.settle(auth.authenticate(unconcerned.accessToken))
})

test('a refresh token two generations old is a replay at once', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const first = await login(setting)
  const second = await world.settle(auth.refresh(first.refreshToken))
  await world.settle(auth.refresh(second.refreshToken))
  await fails(world.settle(auth.refresh(first.refreshToken)), 'ERR_TOKEN_REVOKED')
})

test('an alarm names the agent and the login, and the agent hears of it at its next login', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const first = await login(setting)
  assert.deepEqual(first.replayed, [])
  const second = await world.settle(auth.refresh(first.refreshToken))
  await world.settle(auth.refresh(second.refreshToken))
  await world.clock.runFor(60_000)
  await fails(world.settle(auth.refresh(first.refreshToken)), 'ERR_TOKEN_REVOKED')
  const alarms = world.told.filter(({ event }) => event === 'hub:token:replayed')
  assert.equal(alarms.length, 1)
  const { agent, aiId, login: sid, rotatedAgoMs, rotation, rotations } = alarms[0] ?? {}
  assert.deepEqual({ agent, aiId, rotatedAgoMs }, { agent: 'Ada', aiId: 1, rotatedAgoMs: 60_000 })
  assert.deepEqual({ rotation, rotations }, { rotation: 0, rotations: 2 })
  assert.ok(!JSON.stringify(world.told).includes(first.refreshToken))
  await world.clock.runFor(5_000)
  for (let count = 0; count < 2; count += 1) {
    const { replayed } = await login(setting)
    assert.deepEqual(
      replayed.map((one) => ({ ...one })),
      [{ sid, replayedAt: world.clock.now() - 5_000 }],
    )
  }
})

test('the late repeat of an exchange is refused, and costs nobody anything', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const first = await login(setting)
  const second = await world.settle(auth.refresh(first.refreshToken, 'note'))
  await world.clock.runFor(31_000)
  await fails(world.settle(auth.refresh(first.refreshToken, 'note')), 'ERR_TOKEN_REVOKED')
  await world.settle(auth.authenticate(second.accessToken))
  await fails(world.settle(auth.refresh(first.refreshToken, 'another')), 'ERR_TOKEN_REVOKED')
  await fails(world.settle(auth.authenticate(second.accessToken)), 'ERR_TOKEN_REVOKED')
})

test('a note is good for the exchange that it was made for, and for none before', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const first = await login(setting)
  const second = await world.settle(auth.refresh(first.refreshToken, 'one'))
  const third = await world.settle(auth.refresh(second.refreshToken, 'two'))
  await fails(world.settle(auth.refresh(first.refreshToken, 'one')), 'ERR_TOKEN_REVOKED')
  await fails(world.settle(auth.authenticate(third.accessToken)), 'ERR_TOKEN_REVOKED')
})

test('a clock that was set back makes nobody a thief', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const first = await login(setting)
  await world.settle(auth.refresh(first.refreshToken))
  world.clock.jump(-45_000)
  await fails(world.settle(auth.refresh(first.refreshToken)), 'ERR_TOKEN_REVOKED')
  assert.ok(!world.told.some(({ event }) => event === 'hub:token:replayed'))
})

test('a hub that was put back takes a token that it does not know yet for no stolen one', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const first = await login(setting)
  const rows = world.database.prepare('SELECT leaf, rotations FROM token_families').get() ?? {}
  const second = await world.settle(auth.refresh(first.refreshToken))
  const third = await world.settle(auth.refresh(second.refreshToken))
  world.database
    .prepare('UPDATE token_families SET leaf = ?, rotations = ?, previous = NULL')
    .run(rows['leaf'] ?? null, rows['rotations'] ?? null)
  await fails(world.settle(auth.refresh(third.refreshToken)), 'ERR_TOKEN_REVOKED')
  assert.ok(!world.told.some(({ event }) => event === 'hub:token:replayed'))
  await world.settle(auth.refresh(first.refreshToken))
})

test('tokens that are dated in the future are refused, but for what clocks differ by', async () => {
  const setting = await registered()
  const { auth, world } = setting
  world.clock.jump(59_000)
  const near = await login(setting)
  world.clock.jump(3_000)
  const far = await login(setting)
  world.clock.jump(-62_000)
  await world.settle(auth.authenticate(near.accessToken))
  await fails(world.settle(auth.authenticate(far.accessToken)), 'ERR_TOKEN')
  await fails(world.settle(auth.refresh(far.refreshToken)), 'ERR_TOKEN')
})

test('an agent ends one of its logins, or all of them', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const [one, two, three] = [await login(setting), await login(setting), await login(setting)]
  const who = await world.settle(auth.authenticate(one.accessToken))
  assert.equal(await world.settle(auth.revoke(who, { all: false })), 1)
  await fails(world.settle(auth.refresh(one.refreshToken)), 'ERR_TOKEN_REVOKED')
  await world.settle(auth.authenticate(two.accessToken))
  assert.equal(await world.settle(auth.revoke(who, { all: true })), 2)
  await fails(world.settle(auth.authenticate(two.accessToken)), 'ERR_TOKEN_REVOKED')
  await fails(world.settle(auth.authenticate(three.accessToken)), 'ERR_TOKEN_REVOKED')
  // It is no theft, and nobody needs to be told.
  assert.deepEqual((await login(setting)).replayed, [])
})

test('what is revoked while the clock is far ahead stays revoked when it is put right', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const stolen = await login(setting)
  world.clock.jump(8 * 86_400_000)
  const who = await world.settle(auth.authenticate((await login(setting)).accessToken))
  assert.equal(await world.settle(auth.revoke(who, { all: true })), 1, 'what seems to be over is not counted')
  world.clock.jump(-8 * 86_400_000)
  await fails(world.settle(auth.authenticate(stolen.accessToken)), 'ERR_TOKEN_REVOKED')
  await fails(world.settle(auth.refresh(stolen.refreshToken)), 'ERR_TOKEN_REVOKED')
})

test('only a refresh token refreshes, and only an access token opens', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const { accessToken, refreshToken } = await login(setting)
  await fails(world.settle(auth.refresh(accessToken)), 'ERR_TOKEN')
  await fails(world.settle(auth.authenticate(refreshToken)), 'ERR_TOKEN')
  assert.equal((await world.settle(auth.verify(refreshToken))).name, 'Ada')
  const second = await world.settle(auth.refresh(refreshToken))
  await world.clock.runFor(31_000)
  await fails(world.settle(auth.verify(refreshToken)), 'ERR_TOKEN_REVOKED')
  // Asking about a token is no use of it.
  await world.settle(auth.verify(second.refreshToken))
})

test('a refresh token lives a week from its making', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const first = await login(setting)
  await world.clock.runFor(6 * 86_400_000)
  const second = await world.settle(auth.refresh(first.refreshToken))
  await world.clock.runFor(6 * 86_400_000)
  await world.settle(auth.verify(second.refreshToken))
  await world.clock.runFor(86_400_000)
  await fails(world.settle(auth.refresh(second.refreshToken)), 'ERR_TOKEN_EXPIRED')
})

test('a logout revokes what was got by refreshing too, with a token of either kind, expired or not', async () => {
  for (const kind of ['accessToken', 'refreshToken'] as const) {
    const setting = await registered()
    const { auth, world } = setting
    const first = await login(setting)
    const second = await world.settle(auth.refresh(first.refreshToken))
    await world.clock.runFor(700_000)
    await world.settle(auth.logout(first[kind]))
    await fails(world.settle(auth.refresh(second.refreshToken)), 'ERR_TOKEN_REVOKED')
    await fails(world.settle(auth.verify(second.refreshToken)), 'ERR_TOKEN_REVOKED')
  }
})

test('a logout with anything else does nothing', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const { accessToken } = await login(setting)
  for (const text of ['', 'x', `${accessToken}x`]) await world.settle(auth.logout(text))
  await world.settle(auth.authenticate(accessToken))
})

test('a hub that has lost a login, as after a restore, says that its tokens are revoked', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const { accessToken, refreshToken } = await login(setting)
  world.database.exec('DELETE FROM token_families')
  await fails(world.settle(auth.authenticate(accessToken)), 'ERR_TOKEN_REVOKED')
  await fails(world.settle(auth.refresh(refreshToken)), 'ERR_TOKEN_REVOKED')
})

test('an agent has at most 100 logins: the oldest ends', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const first = await login(setting)
  await world.clock.runFor(1_000)
  const second = await login(setting)
  await world.clock.runFor(1_000)
  for (let count = 0; count < 99; count += 1) await login(setting)
  await fails(world.settle(auth.authenticate(first.accessToken)), 'ERR_TOKEN_REVOKED')
  await world.settle(auth.authenticate(second.accessToken))
})
