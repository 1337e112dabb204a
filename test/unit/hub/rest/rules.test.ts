import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../../src/errors.ts'
import type { HubStorage } from '../../../../src/hub/storage.ts'
import { createSeededRandom } from '../../../../src/testing/index.ts'
import { type Answer, RestWorld, secret } from './rest-world.ts'

function refused({ body, headers, status }: Answer, expected: number, code: string): void {
  assert.deepEqual([status, body.success, body.code], [expected, false, code])
  assert.match(headers['content-type'] ?? '', /^application\/json/)
}

test('the health is for everybody', async () => {
  const world = await RestWorld.start()
  const { body, status } = await world.call('GET', '/healthz')
  assert.deepEqual([status, body], [200, { success: true, status: 'ok' }])
  const wrong = await world.call('POST', '/healthz')
  refused(wrong, 405, 'ERR_METHOD')
  assert.equal(wrong.headers['allow'], 'GET')
})

test('unknown paths and methods are answered in JSON', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  for (const path of [
    '',
    '/',
    '/nothing',
    '/ai/list/',
    '/ai//',
    '/brain/state',
    '/collaboration/list',
    '/message/1/2/3',
  ]) {
    refused(await world.call('GET', path, { token }), 404, 'ERR_NO_SUCH_ROUTE')
    refused(await world.call('GET', path), 404, 'ERR_NO_SUCH_ROUTE')
  }
  for (const [method, path, allow] of [
    ['GET', '/auth/login', 'POST'],
    ['PUT', '/ai/list', 'GET'],
    ['DELETE', '/ai/1', 'GET, PUT'],
    ['OPTIONS', '/session/1', 'GET, DELETE'],
    ['POST', '/message/1', 'GET, DELETE'],
    ['POST', '/message/search', 'GET'],
    ['GET', '/message/1/read', 'PUT'],
  ] as const) {
    const answer = await world.call(method, path, { token })
    refused(answer, 405, 'ERR_METHOD')
    assert.equal(answer.headers['allow'], allow)
  }
  refused(await world.call('GET', '/session/%ff', { token }), 400, 'ERR_REQUEST_INVALID')
  assert.equal((await world.call('HEAD', '/ai/1', { token })).status, 200)
})

test('a bearer token is wanted, whatever the case of its scheme', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  const get = (authorization?: string) =>
    world.call('GET', '/ai/1', authorization === undefined ? {} : { headers: { authorization } })
  for (const scheme of ['Bearer', 'bearer', 'BEARER'])
    assert.equal((await get(`${scheme} ${token}`)).status, 200)
  for (const wrong of [undefined, '', token, `Basic ${token}`, 'Bearer', `Bearer ${token} x`, 'Bearer x']) {
    const answer = await get(wrong)
    refused(answer, 401, 'ERR_TOKEN')
    assert.equal(answer.headers['www-authenticate'], 'Bearer')
    assert.ok(!JSON.stringify(answer.body).includes(token))
  }
})

test('a body must be a JSON object in UTF-8, whatever its type says', async () => {
  const world = await RestWorld.start()
  const post = (raw: Uint8Array | string) =>
    world.call('POST', '/auth/login', { raw, headers: { 'content-type': 'text/plain' } })
  for (const raw of [
    '{',
    'null',
    '[]',
    '7',
    '"x"',
    '{"ai_name":"\\ud800"}',
    '{"\\u0000":1}',
    '{"x":1e999}',
  ]) {
    refused(await post(raw), 400, 'ERR_REQUEST_INVALID')
  }
  refused(await post(Buffer.from([0x7b, 0xff, 0x7d])), 400, 'ERR_REQUEST_INVALID')
  refused(await post(`{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`), 400, 'ERR_REQUEST_INVALID')
  refused(await post(''), 400, 'ERR_REQUEST_INVALID')
})

test('unknown fields are tolerated', async () => {
  const world = await RestWorld.start()
  const { status } = await world.call('POST', '/ai/register', {
    raw: JSON.stringify({ name: 'Ada', ai_secret: secret, extra: { x: 1 } }).replace(
      '{',
      '{"__proto__":{"a":1},',
    ),
  })
  assert.equal(status, 200)
})

test('an agent that asks too much is told when to come back, and others are not', async () => {
  const world = await RestWorld.start({ requestsPerMinute: 10 })
  const ada = await world.join('Ada')
  const bob = await world.join('Bob')
  const get = (token: string) => world.call('GET', '/ai/1', { token })
  for (let left = 9; left >= 0; left -= 1) {
    const { headers, status } = await get(ada)
    assert.deepEqual(
      [status, headers['ratelimit-limit'], headers['ratelimit-remaining']],
      [200, '10', String(left)],
    )
  }
  const over = await get(ada)
  refused(over, 429, 'ERR_RATE_LIMIT')
  assert.deepEqual([over.headers['retry-after'], over.body.retry_after], ['6', 6])
  assert.equal(over.headers['ratelimit-reset'], '60')
  assert.equal((await get(bob)).status, 200)
  await world.clock.runFor(6_000)
  assert.equal((await get(ada)).status, 200)
  refused(await get(ada), 429, 'ERR_RATE_LIMIT')
})

test('logins are counted by name, and all those of an address together', async () => {
  const world = await RestWorld.start({ requestsPerMinute: 20 })
  const login = (ai_name: string, remoteAddress = '192.0.2.7') =>
    world.call('POST', '/auth/login', { body: { ai_name, ai_secret: secret }, remoteAddress })
  const remaining = ({ headers }: Answer) => [headers['ratelimit-limit'], headers['ratelimit-remaining']]
  // One that runs wild is stopped, and has cost the others of its address no more than it was allowed itself.
  assert.deepEqual(remaining(await login('Ada')), ['2', '1'])
  assert.deepEqual(remaining(await login('Ada')), ['2', '0'])
  for (let count = 0; count < 50; count += 1) {
    const over = await login('Ada')
    refused(over, 429, 'ERR_RATE_LIMIT')
    assert.deepEqual(remaining(over), ['2', '0'])
    assert.equal(over.headers['retry-after'], '30')
  }
  for (let n = 0; n < 18; n += 1) refused(await login(`Bob${n}`), 404, 'ERR_NO_SUCH_PROFILE')
  const over = await login('Cem')
  refused(over, 429, 'ERR_RATE_LIMIT')
  assert.deepEqual(remaining(over), ['20', '0'])
  // Nobody locks it out from elsewhere; and other routes have a count of their own.
  refused(await login('Ada', '192.0.2.8'), 404, 'ERR_NO_SUCH_PROFILE')
  const challenge = { body: { name: 'Ada' }, remoteAddress: '192.0.2.7' }
  assert.equal((await world.call('POST', '/auth/challenge', challenge)).status, 200)
})

test('the place that an agent was promised is not to be had from another address', async () => {
  const subjects: string[] = []
  const world = await RestWorld.start({
    admitLogin: ({ subject }) => {
      subjects.push(subject)
      return { kind: 'admitted', settled: () => {} }
    },
  })
  for (const remoteAddress of ['192.0.2.7', '192.0.2.8']) {
    await world.call('POST', '/auth/challenge', { body: { name: 'Ada' }, remoteAddress })
  }
  assert.equal(new Set(subjects).size, 2)
})

test('a body that is too large to be of a login is counted by its address alone', async () => {
  const world = await RestWorld.start({ requestsPerMinute: 20 })
  const body = { ai_name: 'Ada', ai_secret: secret, extra: 'x'.repeat(20_000) }
  const { headers } = await world.call('POST', '/auth/login', { body })
  assert.equal(headers['ratelimit-limit'], '20')
})

test('refreshes of one login are counted by themselves, and those that are not genuine by address', async () => {
  const world = await RestWorld.start({ requestsPerMinute: 10 })
  const refresh = (token: string) =>
    world.call('POST', '/auth/refresh', { body: { refresh_token: token }, remoteAddress: '192.0.2.7' })
  const tokenOf = async (name: string): Promise<string> => {
    await world.call('POST', '/ai/register', { body: { name, ai_secret: secret } })
    const { body } = await world.call('POST', '/auth/login', { body: { ai_name: name, ai_secret: secret } })
    return body.refresh_token as string
  }
  const [ada, bob] = [await tokenOf('Ada'), await tokenOf('Bob')]
  for (let count = 0; count < 10; count += 1) refused(await refresh('x'), 401, 'ERR_TOKEN')
  refused(await refresh('x'), 429, 'ERR_RATE_LIMIT')
  const forged = `${ada.slice(0, -4)}AAAA`
  refused(await refresh(forged), 429, 'ERR_RATE_LIMIT')
  for (let left = 9; left >= 0; left -= 1) {
    const { headers, status } = await refresh(ada)
    assert.deepEqual([status, headers['ratelimit-remaining']], [200, String(left)])
  }
  refused(await refresh(ada), 429, 'ERR_RATE_LIMIT')
  assert.equal((await refresh(bob)).status, 200)
})

test('what a fenced process writes changes nothing, and it may still look', async () => {
  const world = await RestWorld.start()
  const old = await world.join('Ada', 1)
  const plain = await world.join('Ada')
  const bob = await world.join('Bob')
  await world.call('POST', '/message/send', { token: bob, body: { recipient_id: 1, content: 'x' } })
  await world.call('POST', '/session/create', { token: plain, body: {} })
  world.raiseGeneration(1, 2)
  const dump = () =>
    ['profiles', 'messages', 'entries', 'publishes', 'sessions', 'streams'].map((table) =>
      JSON.stringify(world.database.prepare(`SELECT * FROM ${table}`).all()),
    )
  const writes = [
    ['PUT', '/ai/1', { expertise: 'new' }],
    ['POST', '/ai/register', { name: 'Cem' }],
    ['POST', '/session/create', {}],
    ['DELETE', '/session/1', {}],
    ['POST', '/message/send', { recipient_id: 2, content: 'x' }],
    ['PUT', '/message/1/read', {}],
    ['DELETE', '/message/1', {}],
  ] as const
  const before = dump()
  for (const [method, path, body] of writes) {
    refused(await world.call(method, path, { token: old, body }), 409, 'ERR_FENCED')
  }
  assert.deepEqual(dump(), before)
  assert.equal((await world.call('GET', '/message/inbox', { token: old })).status, 200)
  const current = await world.join('Ada', 2)
  for (const [index, [method, path, body]] of writes.entries()) {
    const token = index % 2 === 0 ? current : plain
    assert.equal((await world.call(method, path, { token, body })).status, 200, path)
  }
})

test('a refreshed token is fenced like the one before', async () => {
  const world = await RestWorld.start()
  await world.join('Ada')
  const { body } = await world.call('POST', '/auth/login', {
    body: { ai_name: 'Ada', ai_secret: secret, generation: 1 },
  })
  world.raiseGeneration(1, 2)
  const refreshed = await world.call('POST', '/auth/refresh', { body: { refresh_token: body.refresh_token } })
  const answer = await world.call('PUT', '/ai/1', {
    token: refreshed.body.token as string,
    body: { version: '2' },
  })
  refused(answer, 409, 'ERR_FENCED')
})

test('storage that does not answer is 503 everywhere, and never 401', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  const down = () => Promise.reject(new PerduraError('ERR_HUB_STORAGE', 'the disk is gone'))
  const { storage } = world
  Object.assign(storage, { read: down, write: down } satisfies Partial<HubStorage>)
  for (const [method, path, body] of [
    ['GET', '/ai/1', undefined],
    ['GET', '/message/inbox', undefined],
    ['POST', '/message/send', { recipient_id: 1, content: 'x' }],
    ['POST', '/auth/login', { ai_name: 'Ada', ai_secret: secret }],
    ['POST', '/auth/challenge', { ai_name: 'Ada' }],
    ['POST', '/auth/verify', undefined],
    ['POST', '/auth/logout', undefined],
    ['POST', '/ai/register', { name: 'Bob', ai_secret: secret }],
  ] as const) {
    const answer = await world.call(method, path, { token, body })
    refused(answer, 503, 'ERR_HUB_STORAGE')
    assert.deepEqual([answer.headers['retry-after'], answer.body.retry_after], ['1', 1])
  }
})

test('a bug inside is logged and not told', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  Object.assign(world.storage, { read: () => Promise.reject(new TypeError('of no concern')) })
  const answer = await world.call('GET', '/ai/1', { token })
  refused(answer, 500, 'ERR_INTERNAL')
  assert.ok(!JSON.stringify(answer.body).includes('concern'))
  assert.equal(world.failures.length, 1)
})

test('nothing that is sent is a failure of the hub', async () => {
  const world = await RestWorld.start({ auth: { openLogin: true } })
  const random = createSeededRandom(7)
  let tokens = [await world.join('Ada'), await world.join('Bob')]
  const fields =
    `name ai_name ai_nickname nickname ai_id ai_secret public_key nonce signature generation refresh_token expertise
     version project session_type title metadata recipient_id target_ai_id to_ai_id recipient_name broadcast content
     subject message_type conversation_id message_id __proto__ constructor toString`.split(/\s+/)
  const texts = [
    '',
    'Ada',
    '*',
    'all',
    '1',
    '2',
    secret,
    'é😀',
    '\0',
    '\ud800',
    'x'.repeat(300),
    '%_!\\"',
    'null',
    '-1',
  ]
  const numbers = [0, 1, 2, -1, 1.5, 1e21, 2 ** 53, Number.MIN_SAFE_INTEGER, 1e-9]
  const value = (depth: number): unknown => {
    const kind = random.int(0, depth > 3 ? 4 : 6)
    if (kind <= 1) return random.pick(texts)
    if (kind === 2) return random.pick(numbers)
    if (kind === 3) return random.pick([true, false])
    if (kind === 4) return null
    if (kind === 5) return Array.from({ length: random.int(0, 3) }, () => value(depth + 1))
    return Object.fromEntries(
      Array.from({ length: random.int(0, 3) }, () => [random.pick(fields), value(depth + 1)]),
    )
  }
  const bodyOf = (): Record<string, unknown> =>
    Object.fromEntries(Array.from({ length: random.int(0, 6) }, () => [random.pick(fields), value(0)]))
  const segment = () =>
    encodeURIComponent(
      random.pick([...texts.filter((text) => text.isWellFormed()), '1', '2', '3', '9999999999999999']),
    )
  const queries = ['limit', 'offset', 'status', 'query', 'q', 'after_id', 'minutes', 'is_active', 'expertise']
  const queryOf = () =>
    Array.from({ length: random.int(0, 3) }, () => `${random.pick(queries)}=${segment()}`).join('&')
  const paths: (() => string)[] = [
    ...['/auth/login', '/auth/challenge', '/auth/refresh', '/auth/verify', '/auth/logout'].map(
      (path) => () => path,
    ),
    ...['/ai/register', '/ai/list', '/ai/online', '/session/create', '/session/history'].map(
      (path) => () => path,
    ),
    ...['/message/send', '/message/send', '/message/inbox', '/message/sent', '/message/search'].map(
      (path) => () => path,
    ),
    () => `/ai/${segment()}`,
    () => `/session/${segment()}`,
    () => `/session/${segment()}/history`,
    () => `/message/${segment()}`,
    () => `/message/${segment()}/read`,
  ]
  const statuses = new Map<number, number>()
  for (let count = 0; count < 4_000; count += 1) {
    // Long enough for tokens to expire and buckets to fill.
    if (count % 200 === 199) tokens = [await world.join('Ada'), await world.join('Bob')]
    const method = random.pick(['GET', 'POST', 'PUT', 'DELETE', 'POST'])
    const path = `${random.pick(paths)()}?${queryOf()}`
    const body = random.chance(0.9) ? bodyOf() : value(0)
    const answer = await world.call(method, path, {
      body,
      token: random.pick([...tokens, undefined]),
      remoteAddress: random.pick(['127.0.0.1', '192.0.2.1']),
    })
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
    const described = `${method} ${path} ${JSON.stringify(body)}: ${JSON.stringify(answer.body)}`
    assert.ok(answer.status < 500, described)
    assert.equal(answer.body.success, answer.status === 200, described)
    assert.equal(typeof answer.body.code, answer.status === 200 ? 'undefined' : 'string', described)
  }
  assert.deepEqual(world.failures, [])
  for (const status of [200, 400, 401, 403, 404, 405]) assert.ok(statuses.has(status), `no ${status}`)
})
