import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultStreamLimits } from '../../../../src/hub/streams.ts'
import { type Answer, RestWorld } from './rest-world.ts'

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

function refused({ body, status }: Answer, expected: number, code: string): void {
  assert.deepEqual([status, body.success, body.code], [expected, false, code])
}

/** Ada (1) and Bob (2), logged in. */
async function pair(options: Parameters<typeof RestWorld.start>[0] = {}) {
  const world = await RestWorld.start(options)
  const ada = await world.join('Ada')
  const bob = await world.join('Bob')
  const send = (body: object, headers: Record<string, string> = {}) =>
    world.call('POST', '/message/send', { token: ada, body, headers })
  const get = (path: string, token = bob) => world.call('GET', `/message/${path}`, { token })
  return { world, ada, bob, send, get }
}

const idsOf = ({ body }: Answer) => (body.messages as { id: number }[]).map(({ id }) => id)

test('a message is sent, stored and announced', async () => {
  const { send, world } = await pair()
  const { body, status } = await send({
    recipient_id: 2,
    content: 'Hello',
    subject: 'S',
    metadata: { tags: ['x'] },
    conversation_id: 7,
  })
  assert.equal(status, 200)
  const { message } = body
  assert.match(message.message_id as string, /^[0-9a-f-]{36}$/)
  assert.match(message.created_at as string, iso)
  assert.deepEqual(message, {
    id: 1,
    message_id: message.message_id,
    sender_id: 1,
    sender_name: 'Ada',
    recipient_id: 2,
    conversation_id: '7',
    subject: 'S',
    content: 'Hello',
    message_type: 'text',
    metadata: { tags: ['x'] },
    status: 'unread',
    created_at: message.created_at,
  })
  assert.deepEqual([body.conversation_id, body.metadata, body.recipients], ['7', { tags: ['x'] }, 1])
  assert.deepEqual(world.woken, [[2]])
})

test('a recipient may be spelled in every way', async () => {
  const { send } = await pair()
  for (const recipient of [
    { recipient_id: 2 },
    { recipient_id: '2' },
    { target_ai_id: 2 },
    { to_ai_id: '2' },
    { recipient_name: 'Bob' },
    { recipient_id: null, target_ai_id: 2 },
  ]) {
    const { body } = await send({ ...recipient, content: 'x' })
    assert.equal(body.message?.recipient_id, 2, JSON.stringify(recipient))
  }
})

test('content may be any JSON, and comes back as it was', async () => {
  const { get, send } = await pair()
  for (const content of ['text "quoted"\n', '7', 7, 0, false, [], { a: [null, { b: 'é😀' }] }]) {
    const { body } = await send({ recipient_id: 2, content })
    assert.deepEqual(body.message.content, content)
    assert.deepEqual((await get(String(body.message.id))).body.message.content, content)
  }
})

test('what is wrong with a message is said, by field', async () => {
  const { send } = await pair()
  const fine = { recipient_id: 2, content: 'x' }
  for (const [field, fields] of [
    ['recipient_id', { recipient_id: undefined }],
    ['recipient_id', { recipient_id: 0 }],
    ['recipient_id', { recipient_id: 1.5 }],
    ['recipient_id', { recipient_id: 2 ** 60 }],
    ['recipient_id', { recipient_id: '9999999999999999' }],
    ['recipient_id', { recipient_id: [2] }],
    ['content', { content: '' }],
    ['content', { content: null }],
    ['content', { content: 'a\0b' }],
    ['content', { content: { deep: ['\ud800'] } }],
    ['subject', { subject: 'x'.repeat(1_025) }],
    ['message_type', { message_type: 'x'.repeat(51) }],
    ['metadata', { metadata: [] }],
    ['metadata', { metadata: 'x' }],
    ['metadata', { metadata: { '\udfff': 1 } }],
    ['conversation_id', { conversation_id: 'x'.repeat(257) }],
    ['conversation_id', { conversation_id: {} }],
    ['message_id', { message_id: '' }],
    ['message_id', { message_id: 'é' }],
    ['broadcast', { broadcast: 'yes' }],
  ] as const) {
    const answer = await send({ ...fine, ...fields })
    refused(answer, 400, 'ERR_REQUEST_INVALID')
    assert.equal(answer.body.details.field, field)
  }
})

test('an unknown recipient is refused, and stays so for that message', async () => {
  const { send, world } = await pair()
  const key = { 'idempotency-key': 'one' }
  refused(await send({ recipient_name: 'Cem', content: 'x' }, key), 400, 'ERR_RECIPIENT')
  refused(await send({ recipient_id: 77, content: 'x' }), 400, 'ERR_RECIPIENT')
  await world.join('Cem')
  refused(await send({ recipient_name: 'Cem', content: 'x' }, key), 400, 'ERR_RECIPIENT')
  assert.equal((await send({ recipient_name: 'Cem', content: 'x' })).status, 200)
})

test('a message that is sent again is the same message', async () => {
  const { get, send, world } = await pair()
  const fields = { recipient_id: 2, content: 'x' }
  const first = await send(fields, { 'idempotency-key': 'key 1' })
  assert.equal(first.body.duplicate, false)
  for (const again of [
    await send(fields, { 'idempotency-key': 'key 1' }),
    await send(fields, { 'idempotency-key': '"key 1"' }),
    await send({ ...fields, message_id: 'key 1' }),
    await send({ ...fields, message_id: 'key 1' }, { 'idempotency-key': 'key 1' }),
  ]) {
    assert.deepEqual(again.body, { ...first.body, duplicate: true })
  }
  assert.equal((await get('inbox')).body.total, 1)
  assert.equal(world.woken.length, 1)
  const both = await send({ ...fields, message_id: 'a' }, { 'idempotency-key': 'b' })
  refused(both, 400, 'ERR_REQUEST_INVALID')
  refused(await send(fields, { 'idempotency-key': 'x'.repeat(256) }), 400, 'ERR_REQUEST_INVALID')
  refused(await send(fields, { 'idempotency-key': 'é' }), 400, 'ERR_REQUEST_INVALID')
})

test('a broadcast goes to everybody else', async () => {
  const { get, send, world } = await pair()
  const cem = await world.join('Cem')
  for (const [index, fields] of [
    { broadcast: true },
    { recipient_id: '*' },
    { target_ai_id: 'all' },
    { recipient_name: '*' },
  ].entries()) {
    const { body } = await send({ ...fields, content: 'all' })
    assert.deepEqual([body.recipients, body.message.recipient_id], [2, 2])
    assert.deepEqual(world.woken[index], [2, 3])
  }
  assert.equal((await get('inbox')).body.total, 4)
  assert.equal((await get('inbox', cem)).body.total, 4)
  const { body } = await send({ broadcast: true, content: 'x', message_id: 'retract me' })
  const removed = await world.call('DELETE', '/message/retract%20me', { token: await world.join('Ada') })
  assert.equal(removed.status, 200)
  assert.equal(body.recipients, 2)
  assert.equal((await get('inbox')).body.total, 4)
  assert.equal((await get('inbox', cem)).body.total, 4)
})

test('a broadcast with nobody there is sent to none', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  const { body, status } = await world.call('POST', '/message/send', {
    token,
    body: { broadcast: true, content: 'x' },
  })
  assert.deepEqual([status, body.message, body.recipients], [200, null, 0])
  assert.deepEqual(world.woken, [])
})

test('a full inbox refuses its sender, who is told to wait', async () => {
  const { send, world } = await pair({ limits: { ...defaultStreamLimits, waitingMax: 1 } })
  world.raiseGeneration(2, 1)
  assert.equal((await send({ recipient_id: 2, content: 'x' })).status, 200)
  const full = await send({ recipient_id: 2, content: 'x' })
  refused(full, 429, 'ERR_RECIPIENT_FULL')
  assert.deepEqual([full.headers['retry-after'], full.body.retry_after], ['1', 1])
  await world.join('Cem')
  const partly = await send({ broadcast: true, content: 'x' })
  assert.deepEqual([partly.body.recipients, partly.body.warning.code], [1, 'ERR_RECIPIENT_FULL'])
})

test('the inbox shows what is unread, newest first, and counts with its filters', async () => {
  const { bob, get, send, world } = await pair({ auth: { accessTtlS: 86_400 } })
  for (let count = 1; count <= 4; count += 1) {
    await send({
      recipient_id: 2,
      content: count,
      conversation_id: count % 2 === 0 ? 'even' : 'odd',
      message_type: `t${count}`,
    })
    await world.clock.runFor(86_400_000 / 4)
  }
  const read = await world.call('PUT', '/message/2/read', { token: await world.join('Bob') })
  assert.deepEqual([read.status, read.body.message.status], [200, 'read'])
  const token = await world.join('Bob')
  assert.notEqual(token, bob)
  const inbox = (query: string) => get(`inbox${query}`, token)
  const unread = await inbox('')
  assert.deepEqual(
    [idsOf(unread), unread.body.total, unread.body.limit, unread.body.offset],
    [[4, 3, 1], 3, 50, 0],
  )
  assert.equal(unread.body.messages[0].read_at, null)
  for (const query of ['?status=', '?status=all', '?unread_only=false']) {
    assert.deepEqual(idsOf(await inbox(query)), [4, 3, 2, 1], query)
  }
  assert.deepEqual(idsOf(await inbox('?unread_only=true')), [4, 3, 1])
  const seen = await inbox('?status=read')
  assert.deepEqual(idsOf(seen), [2])
  assert.match(seen.body.messages[0].read_at as string, iso)
  const even = await inbox('?conversation_id=even')
  assert.deepEqual([idsOf(even), even.body.total], [[4], 1])
  assert.deepEqual(idsOf(await inbox('?message_type=t3')), [3])
  assert.deepEqual(idsOf(await inbox('?limit=1&offset=1')), [3])
  assert.deepEqual(idsOf(await inbox('?date_from=2026-01-02')), [])
  assert.deepEqual(idsOf(await inbox('?date_to=2026-01-01')), [4, 3, 1])
  assert.deepEqual(
    idsOf(await inbox('?date_from=2026-01-01T06:00:00Z&date_to=2026-01-01T14:00:00%2B02:00')),
    [3],
  )
  const after = await inbox('?after_id=1&limit=1')
  assert.deepEqual([idsOf(after), after.body.total], [[3], 3])
  for (const query of [
    '?status=odd',
    '?after_id=x',
    '?date_from=yesterday',
    '?date_to=2026-13-01',
    '?unread_only=2',
  ]) {
    refused(await inbox(query), 400, 'ERR_REQUEST_INVALID')
  }
})

test('what was sent is listed, deleted or not, and does not tell when it was read', async () => {
  const { ada, get, send, world } = await pair()
  await send({ recipient_id: 2, content: 'one' })
  await send({ recipient_id: 2, content: 'two' })
  await world.call('DELETE', '/message/1', { token: ada })
  const sent = await get('sent', ada)
  assert.deepEqual([idsOf(sent), sent.body.total], [[2, 1], 2])
  assert.equal('read_at' in sent.body.messages[0], false)
  assert.deepEqual(idsOf(await get('sent')), [])
})

test('the search finds texts in subjects and contents, and takes no character as a pattern', async () => {
  const { ada, get, send, world } = await pair()
  const contents = [
    'Hello world',
    '100% sure',
    'snake_case',
    'say "hi"',
    'back\\slash',
    { deep: 'line\nbreak' },
    'wow!',
  ]
  for (const content of contents) await send({ recipient_id: 2, content })
  await send({ recipient_id: 2, content: 'x', subject: 'About snakes' })
  const find = async (query: string, token?: string) =>
    idsOf(await get(`search?query=${encodeURIComponent(query)}`, token))
  assert.deepEqual(await find('HELLO'), [1])
  assert.deepEqual(await find('%'), [2])
  assert.deepEqual(await find('_'), [3])
  assert.deepEqual(await find('snake'), [8, 3])
  assert.deepEqual(await find('"hi"'), [4])
  assert.deepEqual(await find('k\\s'), [5])
  assert.deepEqual(await find('line\nbreak'), [6])
  assert.deepEqual(await find('!'), [7])
  assert.deepEqual(await find('wow!', ada), [7])
  assert.deepEqual(await find('wow', await world.join('Cem')), [])
  const { body } = await get('search?q=hello')
  assert.deepEqual([body.query, body.total, body.messages.length], ['hello', 1, 1])
  const missing = await get('search')
  refused(missing, 400, 'ERR_REQUEST_INVALID')
  assert.equal(missing.body.details.field, 'query')
  await world.call('DELETE', '/message/1', { token: ada })
  assert.deepEqual(await find('hello'), [])
})

test('a message is seen by its two sides, under both of its names', async () => {
  const { ada, get, send, world } = await pair()
  const { message } = (await send({ recipient_id: 2, content: 'x' })).body
  for (const key of [message.id, message.message_id]) {
    assert.equal((await get(String(key))).body.message.read_at, null)
    assert.deepEqual((await get(String(key), ada)).body.message, message)
    refused(await get(String(key), await world.join('Cem')), 404, 'ERR_NO_SUCH_MESSAGE')
  }
  refused(await get('nothing'), 404, 'ERR_NO_SUCH_MESSAGE')
  refused(await get('99'), 404, 'ERR_NO_SUCH_MESSAGE')
})

test('a name of digits is found where no message has that number', async () => {
  const { get, send } = await pair()
  await send({ recipient_id: 2, content: 'first', message_id: '2' })
  assert.equal((await get('2')).body.message.content, 'first')
  await send({ recipient_id: 2, content: 'second' })
  assert.equal((await get('2')).body.message.content, 'second')
})

test('only the recipient marks a message as read, and the first time counts', async () => {
  const { ada, bob, send, world } = await pair()
  const { message } = (await send({ recipient_id: 2, content: 'x' })).body
  const mark = (token: string, key: unknown = message.message_id) =>
    world.call('PUT', `/message/${String(key)}/read`, { token })
  refused(await mark(ada), 403, 'ERR_NOT_YOURS')
  refused(await mark(await world.join('Cem')), 404, 'ERR_NO_SUCH_MESSAGE')
  refused(await mark(bob, 'nothing'), 404, 'ERR_NO_SUCH_MESSAGE')
  const first = await mark(bob)
  assert.match(first.body.message.read_at as string, iso)
  await world.clock.runFor(5_000)
  assert.deepEqual((await mark(bob, message.id)).body, first.body)
})

test('either side deletes a message, once and for all', async () => {
  for (const by of ['ada', 'bob'] as const) {
    const sides = await pair()
    const { get, send, world } = sides
    const { message } = (await send({ recipient_id: 2, content: 'x' })).body
    const remove = (token: string) =>
      world.call('DELETE', `/message/${message.message_id as string}`, { token })
    refused(await remove(await world.join('Cem')), 404, 'ERR_NO_SUCH_MESSAGE')
    const { body } = await remove(sides[by])
    assert.deepEqual(Object.keys(body.message), ['id', 'message_id', 'deleted_at'])
    assert.deepEqual(idsOf(await get('inbox?status=')), [])
    refused(await get('1'), 404, 'ERR_NO_SUCH_MESSAGE')
    refused(await world.call('PUT', '/message/1/read', { token: sides.bob }), 404, 'ERR_NO_SUCH_MESSAGE')
    await world.clock.runFor(5_000)
    assert.deepEqual((await remove(sides.ada)).body, body)
  }
})
