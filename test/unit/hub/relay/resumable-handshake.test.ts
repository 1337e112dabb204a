import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hubParts } from '../../../../src/hub/parts.ts'
import { publishFrame, resumeFrame, ResumableWorld } from './resumable-world.ts'

test('greets with what it can, and waits for resume', async () => {
  const world = await ResumableWorld.start()
  const ada = await world.join('Ada')
  const agent = world.dial(ada.accessToken)
  const { connection_id: id, ...greeting } = await agent.next()
  assert.equal(typeof id, 'string')
  assert.deepEqual(greeting, {
    type: 'connected',
    ai_id: ada.aiId,
    ai_name: 'Ada',
    capabilities: ['resume.1'],
    node_id: 'node',
    heartbeat_ms: 20_000,
    frame_bytes_max: 4 * 1024 * 1024,
  })
  await world.clock.runFor(5_000)
  assert.equal(agent.frames.length, 1)
})

test('answers a resume with where everything stands', async () => {
  const world = await ResumableWorld.start()
  const ada = await world.join('Ada')
  const { ready } = await world.open(ada)
  assert.equal(ready.resumed, false)
  assert.equal(ready.reason, 'new')
  assert.equal(ready.generation, 1)
  assert.deepEqual([ready.stream.floor, ready.stream.top, ready.stream.next], [0, 0, 1])
  assert.equal(ready.tx.verdict_seq, 0)
  assert.deepEqual(ready.credit, { messages: 512, bytes: 8 * 1024 * 1024 })
  assert.equal(ready.session_ttl_s, 30 * 86_400)
  assert.ok(ready.token_ttl_s > 0 && ready.token_ttl_s <= ada.expiresInS, String(ready.token_ttl_s))
})

test('a token that opens nothing is told so and closed as unauthorized', async () => {
  const world = await ResumableWorld.start()
  const ada = await world.join('Ada')
  await world.logout(ada.accessToken)
  for (const token of ['nonsense', ada.accessToken, ada.refreshToken]) {
    const agent = world.dial(token)
    assert.equal(await agent.ended(), 'unauthorized')
    assert.equal(agent.frames[0].type, 'error')
  }
})

test('a hub that cannot look is unavailable, and calls no token bad', async () => {
  const world = await ResumableWorld.start()
  const ada = await world.join('Ada')
  world.outage = true
  assert.equal(await world.dial(ada.accessToken).ended(), 'unavailable')
  world.outage = false
  const agent = world.dial(ada.accessToken)
  await agent.next('connected')
  world.outage = true
  agent.send(resumeFrame())
  assert.equal(await agent.ended(), 'unavailable')
})

test('what fails inside is logged and ends as unavailable', async () => {
  const resume = () => Promise.reject(new Error('a bug'))
  const world = await ResumableWorld.start({ parts: { ...hubParts, resume } })
  const agent = world.dial((await world.join('Ada')).accessToken)
  await agent.next('connected')
  agent.send(resumeFrame())
  assert.equal(await agent.ended(), 'unavailable')
  assert.ok(world.events.includes('hub:connection:failed'))
})

test('who says nothing in time is timed out', async () => {
  const world = await ResumableWorld.start()
  const agent = world.dial((await world.join('Ada')).accessToken)
  assert.equal(await agent.ended(), 'timeout')
})

const early = [
  ['ack', { type: 'ack', epoch: 'e', offset: 1 }],
  ['credit', { type: 'credit', messages: 1, bytes: 1 }],
  ['publish', { type: 'publish', producer_epoch: 'e', seq: 1, id: 'm', recipient_name: 'Bo', content: 1 }],
] as const

for (const [type, frame] of early) {
  test(`${type} before resume is against the protocol`, async () => {
    const world = await ResumableWorld.start()
    const agent = world.dial((await world.join('Ada')).accessToken)
    await agent.next('connected')
    agent.send(frame)
    assert.equal(await agent.ended(), 'protocol_error')
    assert.match(agent.closed!.reason, new RegExp(type))
  })
}

test('a second resume is against the protocol', async () => {
  const world = await ResumableWorld.start()
  const { agent } = await world.open(await world.join('Ada'))
  agent.send(resumeFrame())
  assert.equal(await agent.ended(), 'protocol_error')
})

const garbage = [
  '',
  '[]',
  'null',
  '1',
  '"x"',
  '{',
  '{}',
  '{"type":1}',
  '{"type":"nothing"}',
  '{"type":"ack"}',
]

test('what is no frame is against the protocol, and the reason says where', async () => {
  const world = await ResumableWorld.start()
  const ada = await world.join('Ada')
  for (const text of garbage) {
    const { agent } = await world.open(ada)
    agent.raw(text)
    assert.equal(await agent.ended(), 'protocol_error', text)
  }
  const { agent } = await world.open(ada)
  agent.send({ type: 'ack', epoch: 'e', offset: 0 })
  await agent.ended()
  assert.match(agent.closed!.reason, /^protocol_error offset: /)
})

test('a generation that could not rise any more is no generation', async () => {
  const world = await ResumableWorld.start()
  const ada = await world.join('Ada')
  const agent = world.dial(ada.accessToken)
  await agent.next('connected')
  agent.send(resumeFrame({ generation: Number.MAX_SAFE_INTEGER }))
  assert.equal(await agent.ended(), 'protocol_error')
  const { ready } = await world.open(ada, { generation: 2 ** 48 })
  assert.equal(ready.generation, 2 ** 48 + 1)
})

test('the same instance supersedes its older connection', async () => {
  const world = await ResumableWorld.start()
  const ada = await world.join('Ada')
  const first = await world.open(ada)
  const second = await world.open(ada)
  assert.equal(await first.agent.ended(), 'superseded')
  assert.equal(second.agent.closed, undefined)
  assert.equal(world.registry.sessionCount, 1)
})

test('another instance is kept out while the holder answers', async () => {
  const world = await ResumableWorld.start()
  const ada = await world.join('Ada')
  const holder = await world.open(ada)
  const other = world.dial(ada.accessToken)
  await other.next('connected')
  other.send(resumeFrame({ instance: 'two', generation: 1 }))
  assert.equal(await other.ended(), 'in_use')
  assert.equal(holder.agent.closed, undefined)
  assert.deepEqual(world.holder(ada), { instance: 'one', generation: 1 })
})

test('another instance takes the place of a holder that does not answer', async () => {
  const world = await ResumableWorld.start()
  const ada = await world.join('Ada')
  const holder = await world.open(ada)
  holder.agent.alive = false
  const { ready } = await world.open(ada, { instance: 'two', generation: 1 })
  assert.equal(ready.generation, 2)
  assert.equal(await holder.agent.ended(), 'replaced')
  assert.match(holder.agent.closed!.reason, /by two/)
})

test('who goes away during the probe takes nobody’s place', async () => {
  const world = await ResumableWorld.start()
  const ada = await world.join('Ada')
  const holder = await world.open(ada)
  holder.agent.alive = false
  const other = world.dial(ada.accessToken)
  await other.next('connected')
  other.send(resumeFrame({ instance: 'two', generation: 1 }))
  await world.clock.runFor(500)
  other.close()
  await world.clock.runFor(10_000)
  assert.deepEqual(world.holder(ada), { instance: 'one', generation: 1 })
  assert.equal(holder.agent.closed, undefined)
})

test('a holder without a connection is replaced at once', async () => {
  const world = await ResumableWorld.start()
  const ada = await world.join('Ada')
  const first = await world.open(ada)
  first.agent.close()
  await first.agent.ended()
  await world.clock.runFor(100)
  const { ready } = await world.open(ada, { instance: 'two', generation: 1 })
  assert.equal(ready.generation, 2)
})

test('a takeover asks nobody, and the one before is fenced from then on', async () => {
  const world = await ResumableWorld.start()
  const ada = await world.join('Ada')
  await world.join('Bo')
  const first = await world.open(ada)
  const second = await world.open(ada, { instance: 'two', generation: 0, claim: 'other', takeover: true })
  assert.equal(second.ready.generation, 2)
  assert.equal(await first.agent.ended(), 'replaced')
  const back = world.dial(ada.accessToken)
  await back.next('connected')
  back.send(resumeFrame({ generation: 1, claim: 'third' }))
  assert.equal(await back.ended(), 'fenced')
  assert.match(back.closed!.reason, /generation is 2/)
})

test('what a fenced connection sends changes nothing, and ends it', async () => {
  const world = await ResumableWorld.start()
  const ada = await world.join('Ada')
  await world.join('Bo')
  const { agent, ready } = await world.open(ada)
  // Another hub on the same database has given it away.
  world.database.exec("UPDATE holders SET generation = 2, instance = 'two'")
  agent.send(publishFrame(ready, 1))
  assert.equal(await agent.ended(), 'fenced')
  assert.equal(world.database.prepare('SELECT count(*) AS count FROM messages').get()?.['count'], 0)
})

test('a reader that is behind what is kept is not told that nothing is missing', async () => {
  const world = await ResumableWorld.start()
  const [ada, bo] = [await world.join('Ada'), await world.join('Bo')]
  const first = await world.open(bo)
  await world.publish(ada, bo, 'm1')
  const message = await first.agent.next('message')
  first.agent.close()
  world.database.exec('DELETE FROM entries')
  world.database.exec(
    `UPDATE streams SET floor = top, floor_id = '${message.mark}', acked = top WHERE top > 0`,
  )
  const position = {
    generation: 1,
    rx: { epoch: first.ready.stream.epoch, offset: 0, last_id: null },
    tx: { producer_epoch: first.ready.tx.producer_epoch, next_seq: 1, last_acked: null },
  }
  const { agent, ready } = await world.open(bo, position)
  assert.deepEqual([ready.reason, ready.resumed], ['resumed', false])
  const gap = await agent.next('gap')
  assert.deepEqual([gap.from, gap.to, gap.last_id, gap.reason], [1, 1, message.mark, 'expired'])
})
