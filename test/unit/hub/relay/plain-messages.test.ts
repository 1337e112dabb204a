import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PlainWorld } from './plain-world.ts'

test('a message goes out in the form that each socket expects', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const bob = await world.join('Bob')
  const plain = await world.open(bob.accessToken)
  const subscribed = await world.open(bob.accessToken)
  subscribed.send({ type: 'subscribe', subscription: 'messages', request_id: '1' })
  await subscribed.next('subscribed')
  const stream = await world.open(bob.accessToken, 'messages')
  const other = await world.open(bob.accessToken, 'collaboration')
  await world.publish(
    ada,
    { name: 'Bob' },
    { id: 'm1', content: 'hi', subject: 's', conversationId: 'c', metadata: { a: 1 } },
  )

  const { timestamp, ...message } = await plain.next('message')
  const fields = {
    sender_id: ada.aiId,
    sender_name: 'Ada',
    content: 'hi',
    message_id: 'm1',
    conversation_id: 'c',
    message_type: 'text',
    subject: 's',
    metadata: { a: 1 },
  }
  assert.deepEqual(message, { type: 'message', ...fields })
  assert.equal(timestamp, new Date(Date.parse(timestamp)).toISOString())
  const sender = { sender_nickname: 'nick Ada', sender_project: 'hub', sender_expertise: 'tests' }
  const { timestamp: _, ...newMessage } = await stream.next('new_message')
  assert.deepEqual(newMessage, { type: 'new_message', ...fields, ...sender })
  await subscribed.next('new_message')
  assert.deepEqual(subscribed.types(), ['message'])
  await world.clock.runFor(1_000)
  assert.deepEqual([plain.frames, stream.frames, other.frames], [[], [], []])
})

test('content is text for v1 clients, and JSON besides where it was that', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const client = await world.open((await world.join('Bob')).accessToken)
  await world.publish(ada, { name: 'Bob' }, { content: { deep: [1] } })
  const { content, content_json: json } = await client.next('message')
  assert.equal(content, '{"deep":[1]}')
  assert.deepEqual(json, { deep: [1] })
})

test('begins where the stream is when the socket comes, and moves no cursor', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const bob = await world.join('Bob')
  await world.publish(ada, { name: 'Bob' }, { content: 'before' })
  const client = await world.open(bob.accessToken)
  for (let number = 0; number < 200; number += 1) {
    await world.publish(ada, { name: 'Bob' }, { content: `after ${number}` })
  }
  await world.clock.runFor(2_000)
  assert.deepEqual(
    client.frames.map(({ content }) => content as string),
    Array.from({ length: 200 }, (_, number) => `after ${number}`),
  )
  assert.deepEqual(
    { ...world.database.prepare('SELECT acked, top FROM streams WHERE ai_id = ?').get(bob.aiId) },
    {
      acked: 0,
      top: 201,
    },
  )
})

test('a broadcast is told apart where somebody subscribed', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const bob = await world.join('Bob')
  await world.join('Cleo')
  const stream = await world.open(bob.accessToken, 'messages')
  await world.publish(ada, 'everybody', { content: 'to all' })
  await world.publish(ada, { name: 'Bob' }, { content: 'to one' })
  await world.clock.runFor(1_000)
  assert.deepEqual(
    stream.frames.map(({ type, content }) => [type, content]),
    [
      ['new_message', 'to all'],
      ['broadcast', 'to all'],
      ['new_message', 'to one'],
    ],
  )
})

test('a message from a socket arrives at once, and under an id only once', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const bob = await world.join('Bob')
  const [from, to] = [await world.open(ada.accessToken), await world.open(bob.accessToken)]
  from.send({ type: 'message', ai_id: ada.aiId, recipient_id: bob.aiId, content: 'one', timestamp: 'now' })
  assert.equal((await to.next('message')).content, 'one')
  assert.deepEqual(from.frames, [])

  const sent = {
    type: 'message',
    target_ai_id: String(bob.aiId),
    content: 'two',
    message_id: 'm2',
    request_id: '2',
  }
  from.send(sent)
  const first = await from.next('message_sent')
  assert.deepEqual(
    [first.request_id, first.message_id, first.duplicate, first.recipients],
    ['2', 'm2', false, 1],
  )
  from.send(sent)
  assert.equal((await from.next('message_sent')).duplicate, true)
  from.send({
    type: 'message',
    recipient_name: 'Bob',
    content: 'three',
    subject: 's',
    message_type: 'question',
  })
  await world.clock.runFor(1_000)
  assert.deepEqual(
    to.frames.map(({ content, message_type: type }) => [content, type]),
    [
      ['two', 'text'],
      ['three', 'question'],
    ],
  )
})

test('who publishes in vain is told why', async () => {
  const world = await PlainWorld.start()
  const client = await world.open((await world.join('Ada')).accessToken)
  let deep = '1'
  for (let depth = 0; depth < 200; depth += 1) deep = `[${deep}]`
  const cases = [
    ['{"type":"message","recipient_name":"Nobody","content":"x"}', 'ERR_RECIPIENT'],
    ['{"type":"message","recipient_id":999,"content":"x"}', 'ERR_RECIPIENT'],
    ['{"type":"message","content":"x"}', 'ERR_REQUEST_INVALID'],
    ['{"type":"message","recipient_name":"Ada"}', 'ERR_REQUEST_INVALID'],
    ['{"type":"message","recipient_name":"Ada","content":""}', 'ERR_REQUEST_INVALID'],
    ['{"type":"message","recipient_name":"Ada","content":"x","subject":7}', 'ERR_REQUEST_INVALID'],
    ['{"type":"message","recipient_name":"Ada","content":"x\\u0000"}', 'ERR_REQUEST_INVALID'],
    [`{"type":"message","recipient_name":"Ada","content":${deep}}`, 'ERR_REQUEST_INVALID'],
    [
      `{"type":"message","recipient_name":"Ada","content":"${'x'.repeat(1_100_000)}"}`,
      'ERR_PAYLOAD_TOO_LARGE',
    ],
    ['{"type":"insight"}', 'ERR_REQUEST_INVALID'],
  ]
  for (const [text = '', code] of cases) {
    client.raw(text)
    const error = await client.next('error')
    assert.equal(error.code, code)
    assert.ok(!('request_id' in error))
    client.raw(text.replace('{', '{"request_id":"5",'))
    assert.equal((await client.next('error')).request_id, '5')
  }
  world.outage = true
  client.send({ type: 'message', recipient_name: 'Ada', content: 'x' })
  assert.equal((await client.next('error')).code, 'ERR_HUB_STORAGE')
  assert.equal(client.closed, undefined)
})

test('while the hub cannot write, only so much waits to be written', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const { storage } = world.relay
  world.relay = { ...world.relay, storage: { ...storage, write: () => new Promise(() => {}) } }
  const client = await world.open(ada.accessToken)
  for (let number = 0; number < 10; number += 1) {
    client.send({
      type: 'message',
      recipient_name: 'Ada',
      content: 'x'.repeat(1_000_000),
      request_id: number,
    })
  }
  await world.clock.runFor(1_000)
  assert.deepEqual(
    client.frames.map(({ code, request_id: id }) => [code, id]),
    [['ERR_RATE_LIMIT', 9]],
  )
})

test('an insight goes to everybody else, marked as nothing to answer', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const bob = await world.join('Bob')
  const [from, to] = [await world.open(ada.accessToken), await world.open(bob.accessToken)]
  const stream = await world.open(bob.accessToken, 'messages')
  from.send({ type: 'insight', ai_id: ada.aiId, content: 'I think', timestamp: 'now' })
  const insight = await to.next('insight')
  assert.deepEqual([insight.sender_name, insight.content], ['Ada', 'I think'])
  assert.deepEqual(insight.metadata, { hops: 1, auto_reply: true })
  await stream.next('broadcast')
  assert.deepEqual(stream.types(), ['new_message'])
  assert.deepEqual([from.frames, to.frames], [[], []])
})

test('a hub that cannot read closes with a code, so that the client comes back', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const bob = await world.join('Bob')
  const client = await world.open(bob.accessToken)
  const publishing = world.publish(ada, { name: 'Bob' }, {})
  world.outage = true
  await publishing
  assert.equal(await client.ended(), 4007)
})

test('a client that does not read is closed, and what waits for it is bounded', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const bob = await world.join('Bob')
  const { network } = world.transport
  network.retransmitMs = 3_600_000
  await world.open(bob.accessToken)
  network.link('hub', 'client').down = true
  for (let number = 0; number < 100; number += 1) {
    await world.publish(ada, { name: 'Bob' }, { content: 'x'.repeat(50_000) })
  }
  await world.clock.runFor(20_000)
  assert.deepEqual(world.registry.present(), [bob.aiId])
  await world.clock.runFor(15_000)
  assert.deepEqual(world.registry.present(), [])
  assert.deepEqual(
    world.logged.filter(({ event }) => event === 'hub:plain:closed').map(({ fields }) => fields['reason']),
    ['slow'],
  )
})

test('a client that reads slowly gets everything', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const bob = await world.join('Bob')
  const { network } = world.transport
  const client = await world.open(bob.accessToken)
  network.link('hub', 'client').down = true
  for (let number = 0; number < 40; number += 1) {
    await world.publish(ada, { name: 'Bob' }, { content: `${number} ${'x'.repeat(50_000)}` })
  }
  await world.clock.runFor(5_000)
  assert.ok(client.frames.length === 0)
  network.heal()
  await world.clock.runFor(20_000)
  assert.deepEqual(
    client.frames.map(({ content }) => parseInt(content, 10)),
    Array.from({ length: 40 }, (_, number) => number),
  )
})

test('no log says what anybody said', async () => {
  const world = await PlainWorld.start()
  const ada = await world.join('Ada')
  const bob = await world.join('Bob')
  const [from, to] = [await world.open(ada.accessToken), await world.open(bob.accessToken)]
  from.send({ type: 'message', recipient_name: 'Bob', content: 'between us' })
  await to.next('message')
  from.send({ type: 'message', recipient_name: 'Bob', content: 'between us', subject: 7 })
  from.raw('{"type":"message","content":"between us')
  await from.ended()
  const lines = world.trace.last.join('\n')
  assert.ok(lines.includes('hub:plain:connected'))
  assert.ok(!lines.includes('between us') && !lines.includes(ada.accessToken))
})
