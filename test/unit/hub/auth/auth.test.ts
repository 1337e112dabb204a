import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../../src/errors.ts'
import { createAuth } from '../../../../src/hub/auth/auth.ts'
import { credentialOfKey, credentialOfSecret } from '../../../../src/hub/auth/credentials.ts'
import type { HubStorage } from '../../../../src/hub/storage.ts'
import { code } from '../../../helpers/store-folder.ts'
import { fails, login, profile, registered, request, secret } from './secret-login.ts'
import { AgentKey, HubWorld, keysFolder } from './world.ts'

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
