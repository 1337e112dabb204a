import assert from 'node:assert/strict'
import { test } from 'node:test'
import { advanceAcked, markAt, rewindAcked } from '../../../src/hub/streams.ts'
import { sweepStreams } from '../../../src/hub/sweep.ts'
import { createSeededRandom } from '../../../src/testing/index.ts'
import { DecisionWorld } from './hub-world.ts'

async function meet(count = 0) {
  const world = new DecisionWorld()
  const ada = await world.join('Ada')
  const bo = await world.join('Bo')
  await world.resume(bo)
  for (let n = 1; n <= count; n++) await world.publish(ada, `m${n}`)
  const advance = (from: number, to: number) =>
    world.write((tx) => advanceAcked(tx, bo.aiId, { from, to, now: world.now }))
  const sweep = (countMax = 1_000) =>
    world.write((tx) => sweepStreams(tx, world.limits, { now: world.now, countMax }))
  const offsets = async (after = 0) =>
    (await world.page(bo, after)).items.map((item) =>
      item.kind === 'message' ? item.position : `${item.from}-${item.to} ${item.reason}`,
    )
  return { world, ada, bo, advance, sweep, offsets }
}

test('offsets rise by one, whatever is refused in between', async () => {
  const { world, ada, bo, offsets } = await meet(2)
  await world.publish(ada, 'nobody', { recipient: { name: 'Nobody' } })
  world.limits = { ...world.limits, waitingMax: 2 }
  assert.equal((await world.publish(ada, 'full')).result, 'refused')
  world.limits = { ...world.limits, waitingMax: 3 }
  await world.publish(ada, 'm3')
  assert.deepEqual(await offsets(), [1, 2, 3])
  assert.equal((await world.stream(bo)).top, 3)
})

test('an inbox is bounded by messages and by bytes', async () => {
  const { world, ada, bo } = await meet()
  world.limits = { ...world.limits, waitingBytesMax: 1_000 }
  assert.equal((await world.publish(ada, 'm1', { content: 'x'.repeat(400) })).result, 'ok')
  const { bytes } = await world.waiting(bo)
  assert.ok(bytes > 400 && bytes < 1_000)
  assert.equal((await world.publish(ada, 'm2', { content: 'x'.repeat(400) })).code, 'ERR_RECIPIENT_FULL')
  assert.equal((await world.waiting(bo)).bytes, bytes)
})

test('who has no session acknowledges nothing, and is not bounded by what waits', async () => {
  const { world, ada } = await meet()
  await world.join('Cy')
  world.limits = { ...world.limits, waitingMax: 1 }
  for (const id of ['m1', 'm2']) {
    assert.equal((await world.publish(ada, id, { recipient: { name: 'Cy' } })).result, 'ok')
  }
})

test('what waits is counted rightly, whatever the order of acknowledgements and rewinds', async () => {
  const random = createSeededRandom('streams')
  const { world, ada, bo, advance, sweep } = await meet(5)
  world.limits = { ...world.limits, rewindMs: 5_000 }
  for (let round = 0; round < 60; round++) {
    const { acked, floor, top } = await world.stream(bo)
    const act = random.int(0, 3)
    if (act === 0) await world.publish(ada, `r${round}`)
    else if (act === 1 && top > acked) await advance(acked, random.int(acked + 1, top))
    else if (act === 2) await world.write((tx) => rewindAcked(tx, bo.aiId, random.int(floor, acked)))
    else await sweep()
    await world.clock.runFor(1_000)
    const after = await world.stream(bo)
    assert.ok(after.floor <= after.acked && after.acked <= after.top)
    const real = world.database
      .prepare(
        'SELECT count(*) AS count, coalesce(sum(size_bytes), 0) AS bytes FROM entries WHERE ai_id = ? AND acked_at IS NULL',
      )
      .get(bo.aiId)
    assert.deepEqual(await world.waiting(bo), { ...real })
    const held = world.database.prepare('SELECT count(*) AS count FROM entries WHERE ai_id = ?').get(bo.aiId)
    assert.equal(held?.['count'], after.top - after.floor)
  }
})

test('what was acknowledged is kept for the rewind window, and then goes', async () => {
  const { world, bo, advance, sweep, offsets } = await meet(3)
  await advance(0, 2)
  const marks = [await world.mark(bo, 1), await world.mark(bo, 2)]
  await world.clock.runFor(world.limits.rewindMs)
  assert.equal(await sweep(), 0)
  await world.clock.runFor(1)
  assert.equal(await sweep(), 2)
  assert.deepEqual(await offsets(), ['1-2 expired', 3])
  assert.deepEqual(await offsets(1), ['2-2 expired', 3])
  assert.deepEqual(await offsets(2), [3])
  const stream = await world.stream(bo)
  assert.equal(stream.floor, 2)
  assert.equal(await world.read((reader) => markAt(reader, bo.aiId, stream, 2)), marks[1])
  assert.equal(await world.read((reader) => markAt(reader, bo.aiId, stream, 1)), undefined)
})

test('what waits for too long expires, counts as acknowledged, and leaves a gap', async () => {
  const { world, bo, sweep, offsets } = await meet(2)
  await world.clock.runFor(world.limits.ageMaxMs + 1)
  assert.equal(await sweep(), 2)
  assert.deepEqual(await offsets(), ['1-2 expired'])
  const { acked, floor, top } = await world.stream(bo)
  assert.deepEqual({ acked, floor, top }, { acked: 2, floor: 2, top: 2 })
  assert.deepEqual(await world.waiting(bo), { count: 0, bytes: 0 })
})

test('the floor rises only as far as nothing is passed over', async () => {
  const { world, ada, bo, sweep } = await meet(2)
  await world.clock.runFor(world.limits.ageMaxMs - 1_000)
  await world.publish(ada, 'young')
  await world.clock.runFor(2_000)
  assert.equal(await sweep(), 2)
  assert.equal((await world.stream(bo)).floor, 2)
})

test('a sweep takes no more than it may', async () => {
  const { world, bo, sweep } = await meet(5)
  await world.clock.runFor(world.limits.ageMaxMs + 1)
  assert.equal(await sweep(2), 2)
  assert.equal((await world.stream(bo)).floor, 2)
  assert.equal(await sweep(2), 2)
  assert.equal(await sweep(2), 1)
  assert.equal(await sweep(2), 0)
})

test('those whose mail must wait do not keep others from being swept', async () => {
  const { world, ada, bo, advance, sweep } = await meet()
  for (let n = 0; n < 110; n++) {
    const name = `away ${n}`
    await world.join(name)
    await world.publish(ada, `to ${name}`, { recipient: { name } })
  }
  await world.publish(ada, 'm1')
  await advance(0, 1)
  await world.clock.runFor(world.limits.rewindMs + 1)
  assert.equal(await sweep(), 1)
  assert.equal((await world.stream(bo)).floor, 1)
})

test('a page ends at its count and at its bytes, but always has one', async () => {
  const { world, ada, bo } = await meet()
  for (const id of ['m1', 'm2', 'm3']) await world.publish(ada, id, { content: 'x'.repeat(1_000) })
  const count = async (countMax: number, bytesMax: number) =>
    (await world.page(bo, 0, { countMax, bytesMax })).items.length
  assert.equal(await count(2, 1_000_000), 2)
  assert.equal(await count(10, 3_000), 2)
  assert.equal(await count(10, 10), 1)
})

test('a deleted message leaves a gap at its offset', async () => {
  const { world, bo, offsets } = await meet(3)
  world.database.exec("UPDATE messages SET deleted_at = 1 WHERE message_id = 'm2'")
  assert.deepEqual(await offsets(), [1, '2-2 deleted', 3])
  const mark = await world.mark(bo, 2)
  world.database.exec("DELETE FROM messages WHERE message_id = 'm2'")
  assert.deepEqual(await offsets(), [1, '2-2 deleted', 3])
  assert.equal(await world.mark(bo, 2), mark)
})

test('a message comes out as it went in', async () => {
  const { world, ada, bo } = await meet()
  const fields = {
    conversationId: 'talk',
    subject: 'Ünicode 😀',
    content: { deep: [1, null, { a: 'b' }] },
    messageType: 'note',
    metadata: { hops: 2 },
  }
  await world.publish(ada, 'm1', fields)
  const [item] = (await world.page(bo)).items
  assert.ok(item?.kind === 'message')
  const { conversationId, subject, content, messageType, metadata } = item
  assert.deepEqual({ conversationId, subject, content, messageType, metadata }, fields)
  assert.deepEqual([item.senderId, item.senderName, item.messageId], [ada.aiId, 'Ada', 'm1'])
})

test('who is not registered has no stream', async () => {
  const { world } = await meet()
  await assert.rejects(world.stream({ aiId: 99, name: '', generation: undefined }), {
    code: 'ERR_NO_SUCH_PROFILE',
  })
})

test('an agent is told which of its messages nobody has fetched in time, once, and of nothing else', async () => {
  const { world, ada, bo, sweep } = await meet(2)
  await world.resume(ada)
  await world.clock.runFor(world.limits.ageMaxMs + 1)
  await sweep()
  const { items } = await world.page(ada)
  assert.deepEqual(
    items.map((item) => item.kind === 'message' && [item.messageType, item.senderId, item.content]),
    [
      ['expired', bo.aiId, { message_id: 'm1' }],
      ['expired', bo.aiId, { message_id: 'm2' }],
    ],
  )
  assert.equal((await world.page(bo)).items[0]?.kind, 'gap')
  // A report that expires in its turn is reported to nobody.
  await world.clock.runFor(world.limits.ageMaxMs + 1)
  await sweep()
  assert.equal((await world.stream(bo)).top, 2)
})
