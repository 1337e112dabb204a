import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PlainWorld } from './plain-world.ts'

test('greets on each endpoint as v1 does', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const connect = world.dial(`/ws/v1/connect?token=${ada.accessToken}`)
  const { timestamp, ...connected } = await connect.next('connected')
  assert.deepEqual(connected, { type: 'connected', ai_id: ada.aiId, ai_name: 'Ada' })
  assert.match(timestamp, /^\d{4}-.*T.*\.\d{3}Z$/)
  for (const stream of ['messages', 'collaboration', 'session']) {
    const client = world.dial(`/ws/v1/${stream}`, { Authorization: `Bearer ${ada.accessToken}` })
    const { timestamp: _, ...subscribed } = await client.next('subscribed')
    assert.deepEqual(subscribed, { type: 'subscribed', stream, ai_id: ada.aiId })
  }
})

test('an agent is present while it has a socket of any kind', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const client = await world.open(ada.accessToken, 'session')
  assert.deepEqual(world.registry.present(), [ada.aiId])
  client.close()
  await client.ended()
  await world.clock.runFor(1_000)
  assert.deepEqual(world.registry.present(), [])
})

test('a socket that comes while the last one is being closed is present, and hears of what comes', async () => {
  const world = await PlainWorld.start()
  const [ada, bob] = [await world.join('Ada'), await world.join('Bob')]
  const last = await world.open(bob.accessToken)
  const { authenticate } = world.relay
  let letThrough = (): void => {}
  const checked = new Promise<void>((resolve) => (letThrough = resolve))
  world.relay = { ...world.relay, authenticate: (token) => checked.then(() => authenticate(token)) }
  const next = world.dial(`/ws/v1/connect?token=${bob.accessToken}`)
  await world.clock.runFor(100)
  // Its peer answers the close a round trip later.
  for (const member of world.registry.members(bob.aiId)) member.close('slow', '')
  letThrough()
  await next.next('connected')
  assert.equal(await last.ended(), 4002)
  await world.clock.runFor(1_000)
  assert.deepEqual(world.registry.present(), [bob.aiId])
  await world.publish(ada, { name: 'Bob' }, { content: 'still there?' })
  assert.equal((await next.next('message')).content, 'still there?')
})

test('a token that opens nothing is told so and closed with a code of ours', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const revoked = await world.join('Bob')
  await world.logout(revoked.accessToken)
  const cases = [
    ['', 'ERR_TOKEN'],
    ['nonsense', 'ERR_TOKEN'],
    [ada.refreshToken, 'ERR_TOKEN'],
    [revoked.accessToken, 'ERR_TOKEN_REVOKED'],
  ]
  for (const [token = '', code] of cases) {
    const client = world.dial(`/ws/v1/connect?token=${token}`)
    assert.equal(await client.ended(), 4401)
    assert.deepEqual(client.frames, [{ type: 'error', error: 'Authentication failed', code }])
  }
  await world.clock.runFor(3_600_000)
  const client = world.dial(`/ws/v1/messages?token=${ada.accessToken}`)
  assert.equal(await client.ended(), 4401)
  assert.equal(client.frames[0].code, 'ERR_TOKEN_EXPIRED')
  const lines = world.trace.last.join('\n')
  assert.ok(!lines.includes(ada.accessToken))
})

test('a hub that cannot reach its storage does not call a token bad', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  world.outage = true
  const client = world.dial(`/ws/v1/connect?token=${ada.accessToken}`)
  assert.equal(await client.ended(), 4007)
  assert.equal(client.frames[0].code, 'ERR_HUB_STORAGE')
  assert.notEqual(client.frames[0].error, 'Authentication failed')
})

test('a check of the token that takes for ever ends as an outage', async () => {
  const world = await PlainWorld.start()
  world.relay = { ...world.relay, authenticate: () => new Promise(() => {}) }
  const client = world.dial('/ws/v1/connect?token=any')
  assert.equal(await client.ended(), 4007)
})

test('takes what comes before the token is checked, within a bound', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const { authenticate } = world.relay
  let letThrough = (): void => {}
  const checked = new Promise<void>((resolve) => (letThrough = resolve))
  world.relay = { ...world.relay, authenticate: (token) => checked.then(() => authenticate(token)) }
  const early = world.dial(`/ws/v1/connect?token=${ada.accessToken}`)
  const greedy = world.dial(`/ws/v1/connect?token=${ada.accessToken}`)
  await world.clock.runFor(100)
  early.send({ type: 'heartbeat', ai_id: ada.aiId })
  greedy.send({ type: 'message', content: 'x'.repeat(300_000) })
  assert.equal(await greedy.ended(), 4005)
  assert.deepEqual(early.frames, [])
  letThrough()
  await early.next('heartbeat_ack')
  assert.deepEqual(early.types(), ['connected'])
})

test('a socket outlives its access token, and not its login', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const client = await world.open(ada.accessToken)
  // Silence would end it otherwise.
  for (let count = 0; count < 12; count++) {
    await world.clock.runFor(10 * 60_000)
    client.send({ type: 'activity_confirmation' })
  }
  assert.equal(client.closed, undefined)
  await world.logout(ada.accessToken)
  assert.equal(await client.ended(60_000), 4401)
  assert.deepEqual(client.frames.at(-1), {
    type: 'error',
    error: 'Authentication failed',
    code: 'ERR_TOKEN_REVOKED',
  })
})

test('answers pings and heartbeats on every endpoint', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  for (const stream of ['connect', 'messages', 'collaboration', 'session']) {
    const client = await world.open(ada.accessToken, stream)
    client.send({ type: 'ping' })
    assert.equal((await client.next('pong')).request_id, undefined)
    client.send({ type: 'ping', request_id: '7' })
    assert.equal((await client.next('pong')).request_id, '7')
    client.send({ type: 'heartbeat', request_id: 8 })
    assert.equal((await client.next('heartbeat_ack')).request_id, 8)
    assert.equal(client.closed, undefined)
  }
})

test('what is no JSON object ends the connection, with a word and a code', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  for (const text of ['[]', '7', 'null', '"text"', '{', '']) {
    const client = await world.open(ada.accessToken)
    client.raw(text)
    assert.equal(await client.ended(), 4000, text)
    assert.deepEqual(client.types(), ['error'])
  }
})

test('what v1 ignored is ignored, unless somebody waits for an answer', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const client = await world.open(ada.accessToken)
  const ignored = ['connect', 'status_update', 'brain_state_update', 'activity_confirmation', 7, undefined]
  for (const type of ignored) client.send({ type })
  client.send({ type: 'subscribe', subscription: 'messages' })
  client.send({ type: 'subscribe', subscription: 'the moon' })
  await world.clock.runFor(1_000)
  assert.deepEqual(client.frames, [])

  client.send({ type: 'subscribe', subscription: 'messages', request_id: '1' })
  const subscribed = await client.next('subscribed')
  assert.deepEqual([subscribed.subscription, subscribed.request_id], ['messages', '1'])
  client.send({ type: 'unsubscribe', subscription: 'messages', request_id: '2' })
  assert.equal((await client.next('unsubscribed')).request_id, '2')
  client.send({ type: 'activity_confirmation', request_id: '3' })
  assert.equal((await client.next('activity_confirmed')).request_id, '3')
  const refused = [
    [{ type: 'subscribe', subscription: 'the moon' }, 'ERR_REQUEST_INVALID'],
    [{ type: 'collaboration_request', title: 'x' }, 'ERR_NO_SUCH_ROUTE'],
    [{ type: 'collaboration_response' }, 'ERR_NO_SUCH_ROUTE'],
    [{ type: 'brain_state_update' }, 'ERR_NO_SUCH_ROUTE'],
    [{ type: 'unheard-of' }, 'ERR_NO_SUCH_ROUTE'],
    [{}, 'ERR_NO_SUCH_ROUTE'],
  ] as const
  for (const [frame, code] of refused) {
    client.send({ ...frame, request_id: '4' })
    const error = await client.next('error')
    assert.deepEqual([error.code, error.request_id], [code, '4'])
  }
  client.send({ type: 'ping', request_id: { not: 'one' } })
  const error = await client.next('error')
  assert.deepEqual([error.code, error.request_id], ['ERR_REQUEST_INVALID', undefined])
})

test('a socket behind which nobody is any more is dropped, without waiting for a goodbye', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const { network } = world.transport
  // Longer than the hub waits, so that it is the hub that notices.
  network.retransmitMs = 3_600_000
  await world.open(ada.accessToken)
  await world.clock.runFor(120_000)
  assert.deepEqual(world.registry.present(), [ada.aiId])
  network.partition('client', 'hub')
  await world.clock.runFor(60_000)
  assert.deepEqual(world.registry.present(), [ada.aiId])
  await world.clock.runFor(40_000)
  assert.deepEqual(world.registry.present(), [])
  await world.clock.runFor(60_000)
  assert.equal(network.reached.get('close:timeout'), undefined)
})

test('who asks and asks and never reads the answers is closed', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  world.transport.network.retransmitMs = 3_600_000
  const client = await world.open(ada.accessToken)
  world.transport.network.link('hub', 'client').down = true
  for (let second = 0; second < 60 && world.registry.present().length > 0; second += 1) {
    for (let count = 0; count < 95; count += 1) client.send({ type: 'ping', request_id: 'x'.repeat(256) })
    await world.clock.runFor(1_000)
  }
  const reasons = world.logged.filter(({ event }) => event === 'hub:plain:closed')
  assert.deepEqual(
    reasons.map(({ fields }) => fields['reason']),
    ['slow'],
  )
})

test('bursts are fine, a flood is not', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const client = await world.open(ada.accessToken)
  for (let second = 0; second < 5; second += 1) {
    for (let count = 0; count < 95; count += 1) client.send({ type: 'ping' })
    await world.clock.runFor(1_000)
  }
  assert.equal(client.frames.length, 475)
  for (let count = 0; count < 250; count += 1) client.send({ type: 'unheard-of' })
  assert.equal(await client.ended(), 4005)
  assert.equal(client.frames.at(-1).code, 'ERR_RATE_LIMIT')
})
