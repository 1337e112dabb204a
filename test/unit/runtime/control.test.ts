import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../src/errors.ts'
import type { HttpResponse } from '../../../src/platform/http.ts'
import type { Log } from '../../../src/platform/log.ts'
import { createRoutes, type Handler, type RouteOptions } from '../../../src/runtime/control.ts'
import { FakeAgent } from '../../helpers/fake-agent.ts'

const logged: string[] = []
const log: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (event) => logged.push(event),
  with: () => log,
}

const metrics = (): Promise<string> => Promise.resolve('perdura_ready 1\n')

interface Asked {
  readonly method?: string
  readonly path: string
  readonly headers?: Record<string, string>
  readonly body?: string | Uint8Array
}

function ingress(agent: FakeAgent, token?: string): (asked: Asked) => Promise<HttpResponse> {
  return ask(createRoutes(agent, { kind: 'ingress', log, token, metrics }))
}

function control(agent: FakeAgent, options: Partial<RouteOptions & { kind: 'control' }> = {}) {
  return ask(
    createRoutes(agent, {
      kind: 'control',
      log,
      metrics,
      describeProcess: () => ({ pid: 7 }),
      profiler: {
        async take(request) {
          agent.calls.push(['profile', request])
          return { path: '/profile', sizeBytes: 5 }
        },
      },
      stop: () => agent.calls.push(['stop']),
      handOver: (deadlineMs) => agent.calls.push(['handOver', deadlineMs]),
      reload: () => agent.calls.push(['reload']),
      ...options,
    }),
  )
}

function ask(handle: Handler): (asked: Asked) => Promise<HttpResponse> {
  return ({ method = 'POST', path, headers = {}, body = '' }) =>
    handle({
      method,
      path,
      headers: { host: '127.0.0.1:8760', ...headers },
      body: typeof body === 'string' ? Buffer.from(body) : body,
    })
}

function parse(response: HttpResponse): Record<string, unknown> {
  return JSON.parse(Buffer.from(response.body).toString()) as Record<string, unknown>
}

function assertRefused(response: HttpResponse, status: number, code: string): void {
  assert.equal(response.status, status, Buffer.from(response.body).toString())
  const body = parse(response)
  assert.equal(body['success'], false)
  assert.equal(body['code'], code)
  assert.equal(typeof body['error'], 'string')
  assert.equal(typeof body['details'], 'object')
}

const inbox = '/agents/Ada/inbox'
const key = { 'idempotency-key': 'k-1' }

test('takes in any JSON value, and says where it is', async () => {
  const agent = new FakeAgent()
  const post = ingress(agent)
  for (const payload of ['{"order":7}', '[1,2]', '"text"', 'null', 'false', '0']) {
    const response = await post({ path: inbox, headers: key, body: payload })
    assert.equal(response.status, 202)
    assert.deepEqual(parse(response), { accepted: true, position: agent.ingested.length, duplicate: false })
  }
  assert.deepEqual(agent.ingested[0], { id: 'k-1', payload: { order: 7 } })
})

test('takes in text as text', async () => {
  const agent = new FakeAgent()
  const headers = { ...key, 'content-type': 'text/plain; charset=utf-8' }
  await ingress(agent)({ path: inbox, headers, body: '{"not":"parsed"}' })
  assert.equal(agent.ingested[0]?.payload, '{"not":"parsed"}')
})

test('answers only after the agent has it', async () => {
  const agent = new FakeAgent()
  const committed = Promise.withResolvers<{ position: number; duplicate: boolean }>()
  agent.answer = () => committed.promise
  let answered = false
  const answer = ingress(agent)({ path: inbox, headers: key, body: '1' }).then(() => {
    answered = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(answered, false)
  committed.resolve({ position: 1, duplicate: false })
  await answer
})

test('a repeat is answered 200 with its first position', async () => {
  const agent = new FakeAgent()
  agent.answer = () => Promise.resolve({ position: 4, duplicate: true })
  const response = await ingress(agent)({ path: inbox, headers: key, body: '1' })
  assert.equal(response.status, 200)
  assert.deepEqual(parse(response), { accepted: true, position: 4, duplicate: true })
})

test('sender and conversation come from the query', async () => {
  const agent = new FakeAgent()
  await ingress(agent)({ path: `${inbox}?from=shop&conversation=order%207`, headers: key, body: '1' })
  assert.deepEqual(agent.ingested[0], { id: 'k-1', payload: 1, from: 'shop', conversation: 'order 7' })
})

test('the key is needed, bounded and printable; quoted or not it is the same', async () => {
  const agent = new FakeAgent()
  const post = ingress(agent)
  assertRefused(await post({ path: inbox, body: '1' }), 400, 'ERR_IDEMPOTENCY_KEY_MISSING')
  for (const bad of ['x'.repeat(256), 'ä', 'tab\there', '""']) {
    const headers = { 'idempotency-key': bad }
    assertRefused(await post({ path: inbox, headers, body: '1' }), 400, 'ERR_IDEMPOTENCY_KEY_INVALID')
  }
  for (const good of [
    'x'.repeat(255),
    '"quoted"',
    '"with \\"quote\\""',
    '8e03978e-40d5-43dd-bc93-6894a57f9324',
  ]) {
    assert.equal(
      (await post({ path: inbox, headers: { 'idempotency-key': good }, body: '1' })).status,
      202,
      good,
    )
  }
  assert.deepEqual(
    agent.ingested.slice(1, 3).map(({ id }) => id),
    ['quoted', 'with "quote"'],
  )
})

test('a key that was used for something else is refused as such', async () => {
  const agent = new FakeAgent()
  agent.answer = () => Promise.reject(new PerduraError('ERR_IDEMPOTENCY_KEY_REUSED', 'another message'))
  assertRefused(
    await ingress(agent)({ path: inbox, headers: key, body: '1' }),
    422,
    'ERR_IDEMPOTENCY_KEY_REUSED',
  )
})

test('garbage is refused before the agent sees it', async () => {
  const agent = new FakeAgent()
  const post = ingress(agent)
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  for (const body of ['', '{', '{"a":1}}', 'undefined', deep, new Uint8Array([0x22, 0xff, 0xfe, 0x22])]) {
    assertRefused(await post({ path: inbox, headers: key, body }), 400, 'ERR_PAYLOAD_INVALID')
  }
  const headers = { ...key, 'content-type': 'application/x-www-form-urlencoded' }
  assertRefused(await post({ path: inbox, headers, body: 'a=1' }), 400, 'ERR_PAYLOAD_INVALID')
  assert.equal(agent.ingested.length, 0)
})

test('brackets inside of texts do not count as nesting', async () => {
  const agent = new FakeAgent()
  const body = JSON.stringify({ text: '[{"'.repeat(1_000), escape: '\\' })
  assert.equal((await ingress(agent)({ path: inbox, headers: key, body })).status, 202)
})

test('web pages are refused: foreign origin, foreign site, a name that resolves to loopback', async () => {
  const agent = new FakeAgent()
  const post = ingress(agent)
  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { host: 'evil.example:8760' },
    { host: 'localhost.evil.example' },
    { host: '127.0.0.1.evil.example' },
    { host: '' },
  ]) {
    const response = await post({ path: inbox, headers: { ...key, ...headers }, body: '1' })
    assertRefused(response, 403, 'ERR_BROWSER_REFUSED')
  }
  assert.equal(agent.ingested.length, 0)
  for (const host of ['localhost', 'LOCALHOST:1', '127.0.0.1:8760', '[::1]:8760']) {
    assert.equal((await post({ path: inbox, headers: { ...key, host }, body: '1' })).status, 202, host)
  }
})

test('the token is required where there is one, but not to ask for health', async () => {
  const agent = new FakeAgent()
  const post = ingress(agent, 'open sesame')
  for (const authorization of ['', 'Bearer wrong', 'Basic b3Blbg==', 'Bearer']) {
    const response = await post({ path: inbox, headers: { ...key, authorization }, body: '1' })
    assertRefused(response, 401, 'ERR_TOKEN')
    assert.equal(response.headers['www-authenticate'], 'Bearer')
  }
  const secret = ingress(agent, 'sesame')
  assert.equal(
    (await secret({ path: inbox, headers: { ...key, authorization: 'Bearer sesame' }, body: '1' })).status,
    202,
  )
  for (const method of ['GET', 'HEAD']) assert.equal((await post({ method, path: '/healthz' })).status, 200)
})

test('a wrong method names the right one, an unknown path is not found', async () => {
  const post = ingress(new FakeAgent())
  const response = await post({ method: 'GET', path: inbox })
  assertRefused(response, 405, 'ERR_METHOD')
  assert.equal(response.headers['allow'], 'POST')
  for (const path of [
    '/',
    '/agents/Ada',
    '/agents/Ada/inbox/',
    '//agents/Ada/inbox',
    '/agents/%ZZ/inbox',
    '/v1/stop',
  ]) {
    assertRefused(await post({ path, headers: key, body: '1' }), 404, 'ERR_NO_SUCH_ROUTE')
  }
  assertRefused(await post({ path: '/agents/Bob/inbox', headers: key, body: '1' }), 404, 'ERR_NO_SUCH_AGENT')
})

test('what may pass says when to try again', async () => {
  const agent = new FakeAgent()
  const post = ingress(agent)
  agent.answer = () => Promise.reject(new PerduraError('ERR_INBOX_FULL', 'full'))
  const full = await post({ path: inbox, headers: key, body: '1' })
  assertRefused(full, 429, 'ERR_INBOX_FULL')
  assert.equal(full.headers['retry-after'], '1')
  agent.answer = () => Promise.reject(new PerduraError('ERR_STORE_CLOSED', 'stopping'))
  const closed = await post({ path: inbox, headers: key, body: '1' })
  assertRefused(closed, 503, 'ERR_STORE_CLOSED')
  assert.equal(closed.headers['retry-after'], '1')
  agent.answer = () => Promise.reject(new PerduraError('ERR_PAYLOAD_TOO_LARGE', 'large'))
  assertRefused(await post({ path: inbox, headers: key, body: '1' }), 413, 'ERR_PAYLOAD_TOO_LARGE')
})

test('a bug is logged, and its caller learns nothing of it', async () => {
  const agent = new FakeAgent()
  agent.answer = () => Promise.reject(new TypeError('secret detail'))
  logged.length = 0
  const response = await ingress(agent)({ path: inbox, headers: key, body: '1' })
  assertRefused(response, 500, 'ERR_INTERNAL')
  assert.doesNotMatch(Buffer.from(response.body).toString(), /secret detail/)
  assert.deepEqual(logged, ['http:request:failed'])
})

test('a message on the control socket carries who, what and why', async () => {
  const agent = new FakeAgent()
  const body = {
    id: 'm-1',
    from: 'Bob',
    conversation: 'c',
    payload: { a: 1 },
    in_reply_to: 'm-0',
    hops: 2,
  }
  const response = await control(agent)({ path: '/v1/messages', body: JSON.stringify(body) })
  assert.equal(response.status, 202)
  assert.deepEqual(agent.ingested, [
    { id: 'm-1', from: 'Bob', conversation: 'c', payload: { a: 1 }, inReplyTo: 'm-0', hops: 2 },
  ])
})

test('a message on the control socket is checked field by field', async () => {
  const agent = new FakeAgent()
  const post = control(agent)
  for (const [body, field] of [
    ['[]', /object/],
    ['{}', /"id"/],
    ['{"id":7,"payload":1}', /"id"/],
    ['{"id":"x"}', /"payload"/],
    ['{"id":"x","payload":1,"hops":-1}', /"hops"/],
    ['{"id":"x","payload":1,"from":{}}', /"from"/],
    ['{"__proto__":{"id":"x"},"payload":1}', /"id"/],
  ] as const) {
    const response = await post({ path: '/v1/messages', body })
    assertRefused(response, 400, 'ERR_PAYLOAD_INVALID')
    assert.match(String(parse(response)['error']), field)
  }
  assert.equal(agent.ingested.length, 0)
})

test('the owner decides effects, retries turns, acknowledges, looks and stops', async () => {
  const agent = new FakeAgent()
  const post = control(agent)
  const decide = (body: string) => post({ path: '/v1/turns/12/effects/charge%20card/resolve', body })
  assert.equal((await decide('{"outcome":"done","result":{"amount":10}}')).status, 200)
  assert.equal((await decide('{"outcome":"not-done"}')).status, 200)
  assertRefused(await decide('{"outcome":"perhaps"}'), 400, 'ERR_PAYLOAD_INVALID')
  assert.equal((await post({ path: '/v1/turns/9/retry' })).status, 200)
  assert.equal((await post({ path: '/v1/terminal/ack', body: '{"sequence":5}' })).status, 200)
  assert.deepEqual(parse(await post({ method: 'GET', path: '/v1/process' })), { pid: 7 })
  assert.equal((await post({ path: '/v1/session/handover', body: '{"deadline_ms":5}' })).status, 202)
  assert.equal((await post({ path: '/v1/session/handover', body: '{}' })).status, 202)
  const tooLong = await post({ path: '/v1/session/handover', body: '{"deadline_ms":3600001}' })
  assertRefused(tooLong, 400, 'ERR_PAYLOAD_INVALID')
  assert.equal((await post({ path: '/v1/session/reconnect', body: '{"reason":"why not"}' })).status, 202)
  assert.equal((await post({ path: '/v1/reload' })).status, 202)
  assert.equal((await post({ path: '/v1/stop' })).status, 202)
  assert.deepEqual(agent.calls, [
    ['resolveEffect', 12, 'charge card', { outcome: 'done', result: { amount: 10 } }],
    ['resolveEffect', 12, 'charge card', { outcome: 'not-done' }],
    ['retryTurn', 9],
    ['acknowledgeTerminal', { through: 5 }],
    ['handOver', 5],
    ['handOver', 10_000],
    ['reconnect', 'why not'],
    ['reload'],
    ['stop'],
  ])
})

test('an agent without a hub has no session to list or to end', async () => {
  const post = control(new FakeAgent())
  assertRefused(await post({ method: 'GET', path: '/v1/sessions' }), 404, 'ERR_NO_SUCH_SESSION')
  assertRefused(await post({ path: '/v1/session/end', body: '{}' }), 404, 'ERR_NO_SUCH_SESSION')
})

test('the control socket takes any host, and still no web page', async () => {
  const agent = new FakeAgent()
  const headers = { host: 'anything' }
  assert.equal((await control(agent)({ method: 'GET', path: '/v1/process', headers })).status, 200)
  const foreign = { host: 'anything', origin: 'https://evil.example' }
  assertRefused(await control(agent)({ path: '/v1/stop', headers: foreign }), 403, 'ERR_BROWSER_REFUSED')
})
