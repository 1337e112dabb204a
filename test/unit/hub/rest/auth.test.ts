import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentKey } from '../auth/world.ts'
import { type Answer, RestWorld, secret } from './rest-world.ts'

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

function refused({ body, status }: Answer, expected: number, code: string): void {
  assert.deepEqual([status, body.success, body.code], [expected, false, code])
  assert.equal(typeof body.error, 'string')
}

test('an agent registers with a secret, again with the same, and not with another', async () => {
  const world = await RestWorld.start()
  const register = (fields: object) =>
    world.call('POST', '/ai/register', { body: { name: 'Ada', ai_secret: secret, ...fields } })
  const { body, status } = await register({ expertise: 'Engines', ai_nickname: 'Countess' })
  assert.equal(status, 200)
  assert.match(body.ai.created_at as string, iso)
  assert.deepEqual(
    { ...body.ai, created_at: '' },
    {
      id: 1,
      name: 'Ada',
      nickname: 'Countess',
      expertise: 'Engines',
      version: '1.0.0',
      project: 'default',
      created_at: '',
    },
  )
  assert.equal((await register({})).body.ai.id, 1)
  assert.equal((await register({ name: undefined, ai_name: 'Ada' })).body.ai.id, 1)
  refused(await register({ ai_secret: `${secret}!` }), 409, 'ERR_NAME_TAKEN')
})

test('registering without a credential takes a token', async () => {
  const world = await RestWorld.start({ auth: { openLogin: true } })
  const body = { name: 'Bob' }
  refused(await world.call('POST', '/ai/register', { body }), 401, 'ERR_TOKEN')
  const bad = await world.call('POST', '/ai/register', { body, token: 'x' })
  refused(bad, 401, 'ERR_TOKEN')
  const token = await world.join('Ada')
  const { body: answer } = await world.call('POST', '/ai/register', { body, token })
  assert.equal(answer.ai.name, 'Bob')
  const login = await world.call('POST', '/auth/login', {
    body: { ai_name: 'Bob' },
    remoteAddress: '127.0.0.1',
  })
  assert.equal(login.body.ai_id, 2)
})

test('names are checked', async () => {
  const world = await RestWorld.start()
  const register = (name: unknown) =>
    world.call('POST', '/ai/register', { body: { name, ai_secret: secret } })
  for (const name of ['', ' ', '*', 'you', 'a\nb', 'a\u007f', 'x'.repeat(129), 7, ['a'], {}, true]) {
    const answer = await register(name)
    refused(answer, 400, 'ERR_REQUEST_INVALID')
    assert.equal(answer.body.details.field, 'name')
  }
  for (const name of ['Ada Lovelace', 'Ådå', '愛', 'x'.repeat(128), '你好 😀']) {
    assert.equal((await register(name)).body.ai?.name, name)
  }
  refused(await register(undefined), 400, 'ERR_REQUEST_INVALID')
})

test('credentials are checked, and never repeated', async () => {
  const world = await RestWorld.start()
  const { publicKey } = new AgentKey()
  for (const fields of [
    { ai_secret: 'too short' },
    { ai_secret: 'x'.repeat(257) },
    { ai_secret: 1_234_567_890_123_456 },
    { public_key: 'AAAA' },
    { public_key: `${publicKey}=` },
    { public_key: publicKey, ai_secret: secret },
  ]) {
    const answer = await world.call('POST', '/ai/register', { body: { name: 'Ada', ...fields } })
    refused(answer, 400, 'ERR_REQUEST_INVALID')
    for (const value of Object.values(fields)) {
      assert.ok(!JSON.stringify(answer.body).includes(String(value)), 'it was repeated')
    }
  }
})

test('a login answers as v1 does', async () => {
  const world = await RestWorld.start()
  await world.join('Ada')
  for (const ai_id of [1, '1', 0, '0', null, undefined]) {
    const { body, status } = await world.call('POST', '/auth/login', {
      body: { ai_name: 'Ada', ai_nickname: 'N', ai_id, ai_secret: secret },
    })
    assert.equal(status, 200)
    const { expires_in, ai_id: id, ai_name, ai_nickname, success } = body
    assert.deepEqual([success, expires_in, id, ai_name, ai_nickname], [true, 3_600, 1, 'Ada', 'N'])
    assert.equal(typeof body.token, 'string')
    assert.equal(typeof body.refresh_token, 'string')
  }
})

test('a login with a signed challenge', async () => {
  const world = await RestWorld.start()
  const key = new AgentKey()
  await world.call('POST', '/ai/register', { body: { name: 'Ada', public_key: key.publicKey } })
  const challenge = await world.call('POST', '/auth/challenge', { body: { ai_name: 'Ada' } })
  const unknown = await world.call('POST', '/auth/challenge', { body: { ai_name: 'Nobody' } })
  assert.deepEqual(Object.keys(challenge.body), Object.keys(unknown.body))
  const { expires_in, hub, nonce } = challenge.body
  assert.equal(expires_in, 60)
  const signature = key.sign(hub as string, 'Ada', nonce as string)
  const body = { ai_name: 'Ada', nonce, signature }
  assert.equal((await world.call('POST', '/auth/login', { body })).status, 200)
  refused(await world.call('POST', '/auth/login', { body }), 401, 'ERR_CREDENTIALS')
})

test('what is wrong with a login is said', async () => {
  const world = await RestWorld.start()
  await world.join('Ada')
  const login = (body: object) => world.call('POST', '/auth/login', { body })
  refused(await login({ ai_name: 'Ada', ai_secret: 'wrong' }), 401, 'ERR_CREDENTIALS')
  refused(await login({ ai_name: 'Bob', ai_secret: secret }), 404, 'ERR_NO_SUCH_PROFILE')
  refused(await login({ ai_name: 'Ada' }), 403, 'ERR_OPEN_LOGIN')
  refused(await login({ ai_name: 'Ada', ai_secret: secret, ai_id: 9 }), 404, 'ERR_NO_SUCH_PROFILE')
  for (const [field, fields] of [
    ['ai_name', {}],
    ['ai_id', { ai_name: 'Ada', ai_id: 'one' }],
    ['ai_id', { ai_name: 'Ada', ai_id: -1 }],
    ['ai_id', { ai_name: 'Ada', ai_id: 1.5 }],
    ['signature', { ai_name: 'Ada', nonce: 'n' }],
    ['nonce', { ai_name: 'Ada', signature: 's' }],
    ['ai_secret', { ai_name: 'Ada', ai_secret: secret, nonce: 'n', signature: 's' }],
    ['generation', { ai_name: 'Ada', ai_secret: secret, generation: -1 }],
    ['ai_nickname', { ai_name: 'Ada', ai_secret: secret, ai_nickname: 'a\tb' }],
  ] as const) {
    const answer = await login(fields)
    refused(answer, 400, 'ERR_REQUEST_INVALID')
    assert.equal(answer.body.details.field, field)
  }
})

test('open login is for programs on this machine', async () => {
  const world = await RestWorld.start({ auth: { openLogin: true } })
  const login = (options: object) =>
    world.call('POST', '/auth/login', { body: { ai_name: 'Bob', ai_nickname: 'B' }, ...options })
  for (const remoteAddress of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '']) {
    assert.equal((await login({ remoteAddress })).body.ai_id, 1, remoteAddress)
  }
  for (const remoteAddress of ['10.0.0.1', '::2', '1270.0.0.1', 'fe80::1']) {
    refused(await login({ remoteAddress }), 403, 'ERR_OPEN_LOGIN')
  }
  for (const name of ['x-forwarded-for', 'forwarded', 'origin', 'via']) {
    const answer = await login({ remoteAddress: '127.0.0.1', headers: { [name]: 'x' } })
    refused(answer, 403, 'ERR_OPEN_LOGIN')
  }
})

test('refresh, verify and logout', async () => {
  const world = await RestWorld.start()
  await world.join('Ada')
  const login = await world.call('POST', '/auth/login', { body: { ai_name: 'Ada', ai_secret: secret } })
  const refresh = (refresh_token: unknown) => world.call('POST', '/auth/refresh', { body: { refresh_token } })
  const { body } = await refresh(login.body.refresh_token)
  assert.deepEqual(Object.keys(body), ['success', 'token', 'refresh_token', 'expires_in'])
  assert.deepEqual((await refresh(login.body.refresh_token)).body, body)
  refused(await refresh('x'), 401, 'ERR_TOKEN')
  refused(await refresh(undefined), 400, 'ERR_REQUEST_INVALID')
  refused(await refresh(7), 400, 'ERR_REQUEST_INVALID')

  const verify = (token?: string) => world.call('POST', '/auth/verify', { token })
  for (const token of [body.token, body.refresh_token]) {
    assert.deepEqual((await verify(token as string)).body, {
      success: true,
      valid: true,
      ai_id: 1,
      ai_name: 'Ada',
      ai_nickname: 'Ada',
    })
  }
  refused(await verify(), 400, 'ERR_REQUEST_INVALID')
  refused(
    await world.call('POST', '/auth/verify', { headers: { authorization: 'Basic x' } }),
    400,
    'ERR_REQUEST_INVALID',
  )
  refused(await verify('x'), 401, 'ERR_TOKEN')

  const logout = await world.call('POST', '/auth/logout', { token: body.token as string })
  assert.deepEqual(logout.body, { success: true, message: 'Logged out successfully' })
  refused(await verify(body.token as string), 401, 'ERR_TOKEN_REVOKED')
  refused(await refresh(body.refresh_token), 401, 'ERR_TOKEN_REVOKED')
  assert.equal((await world.call('POST', '/auth/logout', { token: 'x' })).status, 200)
  assert.equal((await world.call('POST', '/auth/logout')).status, 200)
})

test('an expired access token is told apart from a wrong one', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  await world.clock.runFor(3_600_000)
  const answer = await world.call('GET', '/ai/1', { token })
  refused(answer, 401, 'ERR_TOKEN_EXPIRED')
  assert.equal(answer.headers['www-authenticate'], 'Bearer')
})
