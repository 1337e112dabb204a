import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../../src/errors.ts'
import { type Auth, createAuth } from '../../../../src/hub/auth/auth.ts'
import { credentialOfKey, credentialOfSecret } from '../../../../src/hub/auth/credentials.ts'
import type { LoginRequest } from '../../../../src/hub/auth/login.ts'
import type { HubStorage } from '../../../../src/hub/storage.ts'
import { code } from '../../../helpers/store-folder.ts'
import { AgentKey, HubWorld, keysFolder } from './world.ts'

const secret = 'a secret of enough characters'
const profile = { name: 'Ada', nickname: 'Ada', expertise: '', version: '1', project: 'p' }
const request: LoginRequest = {
  name: 'Ada',
  nickname: undefined,
  aiId: undefined,
  proof: { kind: 'secret', secret },
  generation: undefined,
  isLocal: false,
}

interface Setting {
  readonly world: HubWorld
  readonly auth: Auth
}

async function registered(options?: Parameters<HubWorld['auth']>[0]): Promise<Setting> {
  const world = new HubWorld()
  const auth = await world.auth(options)
  await world.settle(auth.register(profile, credentialOfSecret('Ada', secret), undefined))
  return { world, auth }
}

const login = ({ auth, world }: Setting, changes: Partial<LoginRequest> = {}) =>
  world.settle(auth.login({ ...request, ...changes }))

const fails = (promise: Promise<unknown>, expected: Parameters<typeof code>[0]) =>
  assert.rejects(promise, code(expected))

test('a registered agent logs in with its secret, and its access token says who it is', async () => {
  const setting = await registered()
  const { accessToken, expiresInS } = await login(setting, { generation: 3, nickname: 'Countess' })
  assert.equal(expiresInS, 600)
  const principal = await setting.world.settle(setting.auth.authenticate(accessToken))
  assert.deepEqual(
    { ...principal, sid: 'some' },
    {
      aiId: 1,
      name: 'Ada',
      nickname: 'Countess',
      sid: 'some',
      generation: 3,
      expiresAt: setting.world.clock.now() + 600_000,
    },
  )
})

test('a wrong secret is refused, and an unknown name told apart from it', async () => {
  const setting = await registered()
  await fails(login(setting, { proof: { kind: 'secret', secret: `${secret}!` } }), 'ERR_CREDENTIALS')
  await fails(login(setting, { name: 'Bob' }), 'ERR_NO_SUCH_PROFILE')
})

test('the id must be that of the name', async () => {
  const setting = await registered()
  await login(setting, { aiId: 1 })
  await fails(login(setting, { aiId: 2 }), 'ERR_NO_SUCH_PROFILE')
})

test('a registered agent logs in with a signed challenge, once', async () => {
  const world = new HubWorld()
  const auth = await world.auth()
  const key = new AgentKey()
  const credential = credentialOfKey(key.publicKey)
  assert.ok(credential)
  await world.settle(auth.register(profile, credential, undefined))
  const { nonce } = await world.settle(auth.challenge('Ada'))
  const signature = key.sign(auth.hubId, 'Ada', nonce)
  const proof = { kind: 'signature', nonce, signature } as const
  await login({ world, auth }, { proof })
  await fails(login({ world, auth }, { proof }), 'ERR_CREDENTIALS')
})

test('a signature is good for its hub, its name, its challenge and its key alone', async () => {
  const world = new HubWorld()
  const auth = await world.auth()
  const key = new AgentKey()
  await world.settle(auth.register(profile, { kind: 'key', value: key.publicKey }, undefined))
  const attempt = async (sign: (nonce: string) => string, challenged = 'Ada', waitMs = 0) => {
    const { nonce } = await world.settle(auth.challenge(challenged))
    await world.clock.runFor(waitMs)
    await fails(
      login({ world, auth }, { proof: { kind: 'signature', nonce, signature: sign(nonce) } }),
      'ERR_CREDENTIALS',
    )
  }
  await attempt((nonce) => key.sign('another hub', 'Ada', nonce))
  await attempt((nonce) => key.sign(auth.hubId, 'Bob', nonce))
  await attempt(() => key.sign(auth.hubId, 'Ada', 'another'))
  await attempt((nonce) => new AgentKey().sign(auth.hubId, 'Ada', nonce))
  await attempt(() => '')
  // A challenge that was given out for another name, and one that is too old.
  await attempt((nonce) => key.sign(auth.hubId, 'Ada', nonce), 'Bob')
  await attempt((nonce) => key.sign(auth.hubId, 'Ada', nonce), 'Ada', 60_000)
  await fails(login({ world, auth }, { proof: { kind: 'secret', secret } }), 'ERR_CREDENTIALS')
})

test('a key that is no point of the curve opens nothing', async () => {
  const world = new HubWorld()
  const auth = await world.auth()
  const value = Buffer.alloc(32, 0xff).toString('base64url')
  await world.settle(auth.register(profile, { kind: 'key', value }, undefined))
  const { nonce } = await world.settle(auth.challenge('Ada'))
  const signature = Buffer.alloc(64).toString('base64url')
  await fails(login({ world, auth }, { proof: { kind: 'signature', nonce, signature } }), 'ERR_CREDENTIALS')
})

test('a name is bound to its first credential', async () => {
  const { auth, world } = await registered()
  const again = await world.settle(auth.register(profile, credentialOfSecret('Ada', secret), undefined))
  assert.equal(again.id, 1)
  await fails(
    world.settle(auth.register(profile, credentialOfSecret('Ada', 'another'), undefined)),
    'ERR_NAME_TAKEN',
  )
  await fails(world.settle(auth.register(profile, { kind: 'none' }, undefined)), 'ERR_NAME_TAKEN')
})

test('a new profile has a stream and a numbering of its own', async () => {
  const { world } = await registered()
  const counts = world.database
    .prepare(
      'SELECT (SELECT count(*) FROM streams) AS streams, (SELECT count(*) FROM producers) AS producers',
    )
    .get()
  assert.deepEqual({ ...counts }, { streams: 1, producers: 1 })
})

test('a login by name alone takes open login, this machine, and a profile without a credential', async () => {
  const byName = { proof: { kind: 'none' }, isLocal: true } as const
  const closed = await registered()
  await fails(login(closed, byName), 'ERR_OPEN_LOGIN')
  const open = await registered({ openLogin: true })
  await fails(login(open, { ...byName, name: 'Bob', isLocal: false }), 'ERR_OPEN_LOGIN')
  await fails(login(open, byName), 'ERR_OPEN_LOGIN')
  const bob = await login(open, { ...byName, name: 'Bob', nickname: 'B' })
  assert.deepEqual([bob.aiId, bob.name, bob.nickname], [2, 'Bob', 'B'])
  assert.equal((await login(open, { ...byName, name: 'Bob' })).aiId, 2)
  await fails(login(open, { name: 'Bob' }), 'ERR_CREDENTIALS')
})

test('a profile that is switched off neither logs in nor refreshes, and its tokens are no good', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const { accessToken, refreshToken } = await login(setting)
  world.database.exec('UPDATE profiles SET is_active = 0')
  await fails(login(setting), 'ERR_PROFILE_INACTIVE')
  await fails(world.settle(auth.refresh(refreshToken)), 'ERR_PROFILE_INACTIVE')
  await fails(world.settle(auth.authenticate(accessToken)), 'ERR_PROFILE_INACTIVE')
})

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

test('a restarted hub is the same hub, and its tokens live on', async () => {
  const setting = await registered()
  const { world } = setting
  const { accessToken } = await login(setting)
  const again = await world.auth()
  assert.equal(again.hubId, setting.auth.hubId)
  assert.equal((await world.settle(again.authenticate(accessToken))).aiId, 1)
})

test('tokens of another hub are refused, even with the same keys', async () => {
  const setting = await registered()
  const { world } = setting
  const { accessToken } = await login(setting)
  world.database.exec(`UPDATE meta SET value = 'another' WHERE key = 'hub_id'`)
  const other = await world.auth()
  await fails(world.settle(other.authenticate(accessToken)), 'ERR_TOKEN')
})

test('the sweep removes what has expired, and no more than it is told to', async () => {
  const setting = await registered()
  const { auth, world } = setting
  await login(setting)
  for (let count = 0; count < 5; count += 1) await world.settle(auth.challenge('Ada'))
  const sweep = (limit: number) =>
    world.settle(world.storage.write((tx) => auth.sweep(tx, world.clock.now(), limit)))
  assert.equal(await sweep(10), 0)
  await world.clock.runFor(60_000)
  assert.equal(await sweep(3), 3)
  assert.equal(await sweep(10), 2)
  await world.clock.runFor(7 * 86_400_000)
  assert.equal(await sweep(10), 1)
})

test('challenges that nobody answers do not pile up', async () => {
  const world = new HubWorld()
  const auth = await world.auth()
  for (let count = 0; count < 200; count += 1) {
    await world.settle(auth.challenge(`name ${count}`))
    await world.clock.runFor(1_000)
  }
  const { held } = world.database.prepare('SELECT count(*) AS held FROM login_challenges').get() as {
    held: number
  }
  assert.ok(held <= 61, `${held} are held`)
})

test('storage that does not answer is no refusal', async () => {
  const setting = await registered()
  const { auth, world } = setting
  const { accessToken, refreshToken } = await login(setting)
  const down = () => Promise.reject(new PerduraError('ERR_HUB_STORAGE', 'down'))
  const broken: HubStorage = { write: down, read: down, close: () => Promise.resolve() }
  const { random, storage } = world
  let isUp = true
  const flaky: HubStorage = {
    write: (operation) => (isUp ? storage : broken).write(operation),
    read: (operation) => (isUp ? storage : broken).read(operation),
    close: () => Promise.resolve(),
  }
  const other = await world.settle(createAuth({ ...world.ports, random, storage: flaky, keysFolder }))
  isUp = false
  await fails(world.settle(other.authenticate(accessToken)), 'ERR_HUB_STORAGE')
  await fails(world.settle(other.verify(accessToken)), 'ERR_HUB_STORAGE')
  await fails(world.settle(other.refresh(refreshToken)), 'ERR_HUB_STORAGE')
  await fails(world.settle(other.login(request)), 'ERR_HUB_STORAGE')
  await world.settle(auth.authenticate(accessToken))
})

test('options out of bounds are named', async () => {
  const world = new HubWorld()
  for (const options of [
    { accessTtlS: 59 },
    { accessTtlS: 1.5 },
    { refreshTtlS: 599 },
    { refreshTtlS: NaN },
  ]) {
    await assert.rejects(world.auth(options), code('ERR_USAGE', /TtlS/))
  }
})
