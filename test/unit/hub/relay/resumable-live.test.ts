import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultRelayLimits } from '../../../../src/hub/relay/relay.ts'
import type { Relay } from '../../../../src/hub/relay/relay.ts'
import { publishFrame, ResumableWorld } from './resumable-world.ts'

async function meet(overrides: Partial<Relay> = {}) {
  const world = await ResumableWorld.start(overrides)
  const ada = await world.join('Ada')
  const bo = await world.join('Bo')
  return { world, ada, bo }
}

test('hands over the stream in order, and takes acknowledgements', async () => {
  const { world, ada, bo } = await meet()
  await world.publish(bo, ada, 'm1')
  const { agent, ready } = await world.open(ada)
  await world.publish(bo, ada, 'm2')
  const [first, second] = [await agent.next('message'), await agent.next('message')]
  assert.deepEqual([first.offset, second.offset], [1, 2])
  assert.deepEqual([first.message_id, second.message_id], ['m1', 'm2'])
  assert.equal(first.epoch, ready.stream.epoch)
  assert.notEqual(first.mark, second.mark)
  assert.deepEqual([first.sender_id, first.sender_name, first.content], [bo.aiId, 'Bo', 'content of m1'])
  agent.send({ type: 'ack', epoch: ready.stream.epoch, offset: 2 })
  await world.clock.run(() => world.acked(ada) === 2)
  agent.send({ type: 'ack', epoch: ready.stream.epoch, offset: 1 })
  await world.clock.runFor(100)
  assert.equal(world.acked(ada), 2)
  assert.equal(agent.closed, undefined)
})

test('many acknowledgements at a time are few writes', async () => {
  const { world, ada, bo } = await meet()
  for (let n = 1; n <= 50; n++) await world.publish(bo, ada, `m${n}`)
  let writes = 0
  const { acknowledge } = world.relay.parts
  world.relay = {
    ...world.relay,
    parts: { ...world.relay.parts, acknowledge: (...asked) => ((writes += 1), acknowledge(...asked)) },
  }
  world.transport.network.delayMs = { min: 1, max: 1 }
  const { agent, ready } = await world.open(ada)
  for (let offset = 1; offset <= 50; offset++) agent.send({ type: 'ack', epoch: ready.stream.epoch, offset })
  await world.clock.run(() => world.acked(ada) === 50)
  assert.ok(writes < 50, `${writes} writes`)
})

test('an acknowledgement beyond the top is against the protocol', async () => {
  const { world, ada } = await meet()
  const { agent, ready } = await world.open(ada)
  agent.send({ type: 'ack', epoch: ready.stream.epoch, offset: 1 })
  assert.equal(await agent.ended(), 'protocol_error')
  assert.match(agent.closed!.reason, /no offset 1/)
})

test('an acknowledgement of another epoch has to resume again', async () => {
  const { world, ada } = await meet()
  const { agent } = await world.open(ada)
  agent.send({ type: 'ack', epoch: 'other', offset: 1 })
  assert.equal(await agent.ended(), 'resume_again')
})

test('sends no more than the credit, which is cumulative and never falls', async () => {
  const { world, ada, bo } = await meet()
  for (let n = 1; n <= 6; n++) await world.publish(bo, ada, `m${n}`)
  const { agent } = await world.open(ada, { credit: { messages: 2, bytes: 1_000_000 } })
  const count = async (): Promise<number> => {
    await world.clock.runFor(1_000)
    return agent.frames.filter(({ type }) => type === 'message').length
  }
  assert.equal(await count(), 2)
  agent.send({ type: 'credit', messages: 1, bytes: 1 })
  assert.equal(await count(), 2)
  agent.send({ type: 'credit', messages: 4, bytes: 1_000_000 })
  agent.send({ type: 'credit', messages: 4, bytes: 1_000_000 })
  assert.equal(await count(), 4)
  agent.send({ type: 'credit', messages: 100, bytes: 1_000_000 })
  assert.equal(await count(), 6)
})

test('one message larger than the credit goes, and the next one waits', async () => {
  const { world, ada, bo } = await meet()
  for (const id of ['m1', 'm2']) await world.publish(bo, ada, id, 'x'.repeat(5_000))
  const { agent } = await world.open(ada, { credit: { messages: 10, bytes: 1 } })
  await agent.next('message')
  await world.clock.runFor(1_000)
  assert.equal(agent.frames.filter(({ type }) => type === 'message').length, 1)
})

test('gives each publication its verdict, and the recipient its message', async () => {
  const { world, ada, bo } = await meet()
  const recipient = await world.open(bo)
  const { agent, ready } = await world.open(ada)
  agent.send(publishFrame(ready, 1))
  agent.send(publishFrame(ready, 2, { recipient_name: 'Nobody' }))
  agent.send(publishFrame(ready, 4))
  agent.send(publishFrame(ready, 1))
  const verdicts = [await agent.next(), await agent.next(), await agent.next(), await agent.next()]
  assert.deepEqual(
    verdicts.map(({ seq, result, duplicate }) => [seq, result, duplicate]),
    [
      [1, 'ok', false],
      [2, 'refused', false],
      [4, 'expected', false],
      [1, 'ok', true],
    ],
  )
  assert.equal(verdicts[1].code, 'ERR_RECIPIENT')
  assert.equal(verdicts[2].expected_seq, 3)
  assert.equal((await recipient.agent.next('message')).message_id, 'm1')
})

const unfit: readonly [string, object | string][] = [
  ['NUL', { content: 'a\0b' }],
  ['half a surrogate pair', { content: { deep: ['\ud800'] } }],
  ['NUL in a key', { content: { 'a\0': 1 } }],
  ['NUL in the metadata', { metadata: { a: '\0' } }],
  ['a subject that is too long', { subject: 'x'.repeat(2_000) }],
  ['a conversation that is no text', { conversation_id: 7 }],
  ['metadata that are no object', { metadata: [] }],
  ['a recipient without a name', { recipient_name: '' }],
  ['a recipient’s number of the wrong kind', { recipient_name: undefined, recipient_id: -1 }],
  ['no content', { content: undefined }],
  ['nobody as recipient', { recipient_name: undefined }],
]

test('a message that nobody could take is refused, and does not block what comes after it', async () => {
  const { world, ada } = await meet()
  const { agent, ready } = await world.open(ada)
  let seq = 0
  for (const [what, fields] of unfit) {
    seq += 1
    agent.send(publishFrame(ready, seq, fields as object))
    const verdict = await agent.next('publish_ack')
    const expected = what === 'nobody as recipient' ? 'ERR_RECIPIENT' : 'ERR_REQUEST_INVALID'
    assert.deepEqual([verdict.seq, verdict.result, verdict.code], [seq, 'refused', expected], what)
  }
  for (const deep of [
    '['.repeat(200) + ']'.repeat(200),
    '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000),
  ]) {
    seq += 1
    const whole = JSON.stringify(publishFrame(ready, seq, { content: 'HERE' }))
    agent.raw(whole.replace('"HERE"', deep))
    assert.equal((await agent.next('publish_ack')).code, 'ERR_REQUEST_INVALID')
  }
  seq += 1
  agent.raw(JSON.stringify(publishFrame(ready, seq, { content: 7 })).replace(':7', ':1e999'))
  assert.match((await agent.next('publish_ack')).error, /out of range/)
  agent.send(publishFrame(ready, seq + 1))
  assert.equal((await agent.next('publish_ack')).result, 'ok')
  // The verdict is kept: the same message again is refused as before.
  agent.send(publishFrame(ready, 1, unfit[0]?.[1] as object))
  const again = await agent.next('publish_ack')
  assert.deepEqual([again.result, again.duplicate, again.code], ['refused', true, 'ERR_REQUEST_INVALID'])
})

test('a message without a number or a name that can be kept is against the protocol', async () => {
  const { world, ada } = await meet()
  for (const fields of [{ id: 'a\0' }, { id: '\udc00' }, { id: '' }, { id: 7 }, { seq: 0 }, { seq: 1.5 }]) {
    const { agent, ready } = await world.open(ada)
    agent.send(publishFrame(ready, 1, fields))
    assert.equal(await agent.ended(), 'protocol_error')
  }
})

test('the hub says so where it cannot write, and goes on', async () => {
  const { world, ada } = await meet()
  const { agent, ready } = await world.open(ada)
  world.outage = true
  agent.send(publishFrame(ready, 1))
  const verdict = await agent.next('publish_ack')
  assert.deepEqual([verdict.result, verdict.retry_after_ms], ['retry', 1_000])
  world.outage = false
  agent.send(publishFrame(ready, 1))
  assert.equal((await agent.next('publish_ack')).duplicate, false)
})

test('an acknowledgement that cannot be written ends the connection', async () => {
  const { world, ada } = await meet()
  const { agent, ready } = await world.open(ada)
  world.outage = true
  agent.send({ type: 'ack', epoch: ready.stream.epoch, offset: 1 })
  assert.equal(await agent.ended(), 'unavailable')
})

test('another numbering has to resume again', async () => {
  const { world, ada } = await meet()
  const { agent, ready } = await world.open(ada)
  agent.send(publishFrame(ready, 1, { producer_epoch: 'other' }))
  assert.equal(await agent.ended(), 'resume_again')
})

test('publishing beyond the credit is against the protocol; within it, more is granted', async () => {
  const { world, ada } = await meet({
    limits: { ...defaultRelayLimits, publishWindow: { messages: 4, bytes: 100_000 } },
  })
  const { agent, ready } = await world.open(ada)
  assert.deepEqual(ready.credit, { messages: 4, bytes: 100_000 })
  agent.send(publishFrame(ready, 1))
  agent.send(publishFrame(ready, 2))
  const grant = await agent.next('credit')
  assert.equal(grant.messages, 6)
  assert.ok(grant.bytes > 100_000)
  for (let seq = 3; seq <= 7; seq++) agent.send(publishFrame(ready, seq))
  assert.equal(await agent.ended(), 'protocol_error')
})

test('a publication larger than the credit goes where both counters are above zero, and the next one does not', async () => {
  const { world, ada } = await meet({
    limits: { ...defaultRelayLimits, publishWindow: { messages: 100, bytes: 1_000 } },
  })
  const { agent, ready } = await world.open(ada)
  agent.send(publishFrame(ready, 1, { content: 'x'.repeat(5_000) }))
  assert.equal((await agent.next('publish_ack')).result, 'ok')
  assert.ok((await agent.next('credit')).bytes > 5_000)
  agent.send(publishFrame(ready, 2, { content: 'x'.repeat(5_000) }))
  agent.send(publishFrame(ready, 3))
  assert.equal(await agent.ended(), 'protocol_error')
})

test('a token that is renewed in band keeps the connection; without one it ends after its grace', async () => {
  const { world, ada } = await meet()
  const renewed = await world.open(ada)
  const { bo } = { bo: await world.login('Bo') }
  const left = await world.open(bo)
  await world.clock.runFor((ada.expiresInS - 60) * 1_000)
  const fresh = await world.login('Ada')
  renewed.agent.send({ type: 'refresh', token: fresh.accessToken })
  const answer = await renewed.agent.next('refreshed')
  assert.ok(answer.token_ttl_s > fresh.expiresInS - 10)
  await world.clock.runFor(65_000)
  assert.equal(left.agent.closed, undefined, 'within its grace')
  assert.equal(await left.agent.ended(), 'unauthorized')
  await world.clock.runFor(60_000)
  assert.equal(renewed.agent.closed, undefined)
})

test('a token of another agent, or of none, ends the connection', async () => {
  const { world, ada, bo } = await meet()
  for (const token of [bo.accessToken, ada.refreshToken, 'nonsense']) {
    const { agent } = await world.open(ada)
    agent.send({ type: 'refresh', token })
    assert.equal(await agent.ended(), 'unauthorized')
  }
})

test('a login that was revoked loses its connection', async () => {
  const { world, ada } = await meet()
  const { agent } = await world.open(ada)
  await world.logout(ada.accessToken)
  assert.equal(await agent.ended(), 'unauthorized')
})

test('two refreshes at a time are against the protocol', async () => {
  const { world, ada } = await meet()
  const { authenticate } = world.relay
  world.relay = {
    ...world.relay,
    authenticate: (token) => (token === 'slow' ? new Promise(() => {}) : authenticate(token)),
  }
  const { agent } = await world.open(ada)
  agent.send({ type: 'refresh', token: 'slow' })
  agent.send({ type: 'refresh', token: 'slow' })
  assert.equal(await agent.ended(), 'protocol_error')
})

test('a peer that is silent is given up; any frame counts as a sign', async () => {
  const { world, ada, bo } = await meet()
  const silent = await world.open(ada)
  const talking = await world.open(bo)
  silent.agent.alive = false
  talking.agent.alive = false
  for (let n = 0; n < 10; n++) {
    await world.clock.runFor(10_000)
    talking.agent.send({ type: 'ping', sent_ms: n })
  }
  assert.equal(talking.agent.closed, undefined)
  assert.equal((await talking.agent.next('pong')).sent_ms, 0)
  assert.ok(silent.agent.closed !== undefined)
  assert.ok(world.events.includes('hub:session:silent'))
})

test('a session that another hub gave away ends here', async () => {
  const { world, ada } = await meet()
  const { agent } = await world.open(ada)
  world.database.exec("UPDATE holders SET generation = 9, instance = 'elsewhere'")
  assert.equal(await agent.ended(), 'replaced')
})

test('what another hub has appended is delivered with the next heartbeat', async () => {
  const { world, ada, bo } = await meet()
  const { agent } = await world.open(ada)
  const { wake } = world.registry
  world.registry.wake = () => {}
  await world.publish(bo, ada, 'm1')
  world.registry.wake = wake
  assert.equal((await agent.next('message')).message_id, 'm1')
})

test('a stream that was given another epoch behind its back has to be resumed', async () => {
  const { world, ada, bo } = await meet()
  const { agent } = await world.open(ada)
  world.database.prepare("UPDATE streams SET epoch = 'new' WHERE ai_id = ?").run(ada.aiId)
  await world.publish(bo, ada, 'm1')
  assert.equal(await agent.ended(), 'resume_again')
})

test('a stream that cannot be read ends the connection as unavailable', async () => {
  const { world, ada, bo } = await meet()
  const { agent } = await world.open(ada)
  world.outage = true
  world.registry.wake([ada.aiId, bo.aiId])
  assert.equal(await agent.ended(), 'unavailable')
})

test('nothing of a connection is left when it is over', async () => {
  const { world, ada } = await meet()
  const { agent } = await world.open(ada)
  assert.equal(world.registry.sessionCount, 1)
  agent.close()
  await agent.ended()
  await world.clock.runUntilQuiet({ withinMs: 60_000 })
  assert.equal(world.registry.sessionCount, 0)
  assert.equal(world.registry.session(ada.aiId), undefined)
})
