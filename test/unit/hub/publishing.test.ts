import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Actor, PublishOutcome } from '../../../src/hub/publishing.ts'
import { readProducer } from '../../../src/hub/publishing.ts'
import { DecisionWorld } from './hub-world.ts'

async function meet() {
  const world = new DecisionWorld()
  const ada = await world.join('Ada')
  const bo = await world.join('Bo')
  const { epoch } = await world.read((reader) => readProducer(reader, ada.aiId))
  const at = (seq: number, producerEpoch = epoch) => ({ producerEpoch, seq })
  return { world, ada, bo, epoch, at }
}

function verdictOf(outcome: PublishOutcome) {
  if (outcome.kind !== 'verdict') throw new Error(`no verdict: ${outcome.kind}`)
  return outcome.verdict
}

/** As `resume` notes it of an agent that knew more than the hub. */
function putBack(world: Awaited<ReturnType<typeof meet>>['world'], { aiId }: Actor): void {
  world.database.prepare('UPDATE producers SET rewound = 1 WHERE ai_id = ?').run(aiId)
}

test('the same id again is the same message, and gets the same verdict', async () => {
  const { world, ada, bo } = await meet()
  assert.deepEqual(await world.publish(ada, 'm1'), {
    result: 'ok',
    duplicate: false,
    code: undefined,
    error: undefined,
    recipients: [bo.aiId],
  })
  const again = await world.publish(ada, 'm1')
  assert.equal(again.duplicate, true)
  assert.deepEqual(again.recipients, [])
  assert.equal((await world.page(bo)).items.length, 1)
})

test('an id that comes again for something else is refused, and what it stood for stands', async () => {
  const { world, ada, bo } = await meet()
  await world.publish(ada, 'm1')
  for (const other of [{ content: 'else' }, { recipient: { name: 'Ada' } }, { subject: 'else' }]) {
    const verdict = await world.publish(ada, 'm1', other)
    assert.deepEqual([verdict.result, verdict.code], ['refused', 'ERR_IDEMPOTENCY_KEY_REUSED'])
  }
  assert.equal((await world.publish(ada, 'm1')).result, 'ok')
  assert.equal((await world.page(bo)).items.length, 1)
})

test('a message that is larger than agents take is refused', async () => {
  const { world, ada, bo } = await meet()
  world.limits = { ...world.limits, messageBytesMax: 1_000 }
  const verdict = await world.publish(ada, 'm1', { content: 'x'.repeat(1_000) })
  assert.deepEqual([verdict.result, verdict.code], ['refused', 'ERR_PAYLOAD_TOO_LARGE'])
  assert.equal((await world.publish(ada, 'm2', { content: 'x'.repeat(500) })).result, 'ok')
  assert.equal((await world.page(bo)).items.length, 1)
})

test('an id is its own sender’s: two senders may use the same one', async () => {
  const { world, ada } = await meet()
  const cy = await world.join('Cy')
  assert.equal((await world.publish(ada, 'm1')).duplicate, false)
  assert.equal((await world.publish(cy, 'm1')).duplicate, false)
})

test('a refusal is kept: the recipient who comes later does not change it', async () => {
  const { world, ada } = await meet()
  const refused = await world.publish(ada, 'm1', { recipient: { name: 'Dee' } })
  assert.equal(refused.result, 'refused')
  assert.equal(refused.code, 'ERR_RECIPIENT')
  await world.join('Dee')
  const again = await world.publish(ada, 'm1', { recipient: { name: 'Dee' } })
  assert.deepEqual(
    [again.result, again.duplicate, again.code, again.error],
    ['refused', true, refused.code, refused.error],
  )
})

test('a number that nobody has, and one who is switched off, are no recipients', async () => {
  const { world, ada, bo } = await meet()
  assert.equal((await world.publish(ada, 'm1', { recipient: { aiId: 99 } })).code, 'ERR_RECIPIENT')
  assert.equal((await world.publish(ada, 'm2', { recipient: { aiId: bo.aiId } })).result, 'ok')
  world.database.exec("UPDATE profiles SET is_active = 0 WHERE name = 'Bo'")
  assert.equal((await world.publish(ada, 'm3')).code, 'ERR_RECIPIENT')
})

test('what nobody could take is refused with its problem, and uses up its number', async () => {
  const { world, ada, at } = await meet()
  const unfit = await world.publishAt(ada, at(1), 'm1', { problem: 'content contains NUL' })
  assert.equal(verdictOf(unfit).code, 'ERR_REQUEST_INVALID')
  assert.equal(verdictOf(unfit).error, 'content contains NUL')
  assert.equal(verdictOf(await world.publishAt(ada, at(2), 'm2')).result, 'ok')
})

test('to everybody is to all but the sender and those who are switched off, in the order of their numbers', async () => {
  const { world, ada, bo } = await meet()
  const cy = await world.join('Cy')
  const dee = await world.join('Dee')
  world.database.exec("UPDATE profiles SET is_active = 0 WHERE name = 'Cy'")
  const { recipients } = await world.publish(ada, 'm1', { recipient: 'everybody' })
  assert.deepEqual(recipients, [bo.aiId, dee.aiId])
  assert.equal((await world.page(cy)).items.length, 0)
})

test('to everybody where there is nobody else is accepted', async () => {
  const world = new DecisionWorld()
  const ada = await world.join('Ada')
  const verdict = await world.publish(ada, 'm1', { recipient: 'everybody' })
  assert.deepEqual([verdict.result, verdict.recipients], ['ok', []])
})

test('a full inbox refuses the sender, and a broadcast goes to those who have room', async () => {
  const { world, ada, bo } = await meet()
  const cy = await world.join('Cy')
  await world.resume(bo)
  world.limits = { ...world.limits, waitingMax: 1 }
  assert.equal((await world.publish(ada, 'm1')).result, 'ok')
  const full = await world.publish(ada, 'm2')
  assert.deepEqual([full.result, full.code], ['refused', 'ERR_RECIPIENT_FULL'])
  const broadcast = await world.publish(ada, 'm3', { recipient: 'everybody' })
  assert.deepEqual(
    [broadcast.result, broadcast.code, broadcast.recipients],
    ['ok', 'ERR_RECIPIENT_FULL', [cy.aiId]],
  )
  assert.match(broadcast.error ?? '', /1 of 2/)
  assert.equal((await world.publish(ada, 'm4', { again: true })).result, 'ok', 'again has room')
})

test('numbers are taken in order, each with one verdict', async () => {
  const { world, ada, at } = await meet()
  assert.deepEqual(await world.publishAt(ada, at(2), 'm2'), { kind: 'expected', seq: 1 })
  assert.equal(verdictOf(await world.publishAt(ada, at(1), 'm1')).duplicate, false)
  assert.deepEqual(await world.publishAt(ada, at(3), 'm3'), { kind: 'expected', seq: 2 })
  assert.equal(
    verdictOf(await world.publishAt(ada, at(2), 'm2', { recipient: { aiId: 99 } })).result,
    'refused',
  )
  const repeated = await world.publishAt(ada, at(2), 'm2', { recipient: { aiId: 99 } })
  assert.equal(verdictOf(repeated).duplicate, true)
  assert.equal(verdictOf(await world.publishAt(ada, at(3), 'm3')).result, 'ok')
})

test('what was expected is not written', async () => {
  const { world, ada, bo, at } = await meet()
  await world.publishAt(ada, at(5), 'm5')
  assert.equal((await world.page(bo)).items.length, 0)
  assert.equal((await world.publish(ada, 'm5')).duplicate, false)
})

test('another epoch has to resume', async () => {
  const { world, ada, at } = await meet()
  assert.deepEqual(await world.publishAt(ada, at(1, 'other'), 'm1'), { kind: 'resume_again' })
})

test('a number with another id begins another numbering, in which the old messages are known', async () => {
  const { world, ada, bo, epoch, at } = await meet()
  await world.publishAt(ada, at(1), 'm1')
  assert.deepEqual(await world.publishAt(ada, at(1), 'other'), { kind: 'resume_again' })
  const producer = await world.read((reader) => readProducer(reader, ada.aiId))
  assert.notEqual(producer.epoch, epoch)
  assert.equal(producer.verdictSeq, 0)
  const renumbered = (seq: number) => ({ producerEpoch: producer.epoch, seq })
  assert.equal(verdictOf(await world.publishAt(ada, renumbered(1), 'm1')).duplicate, true)
  assert.equal(verdictOf(await world.publishAt(ada, renumbered(2), 'other')).duplicate, false)
  assert.equal((await world.page(bo)).items.length, 2)
})

test('a message that was sent by REST is known under its number', async () => {
  const { world, ada, bo, at } = await meet()
  await world.publish(ada, 'm1')
  assert.equal(verdictOf(await world.publishAt(ada, at(1), 'm1')).duplicate, true)
  assert.equal((await world.page(bo)).items.length, 1)
})

test('what was accepted before the hub was put back finds its recipient, and waits for them', async () => {
  const { world, ada, at } = await meet()
  putBack(world, ada)
  const again = await world.publishAt(ada, at(1), 'm1', { recipient: { name: 'Eve' }, again: true })
  assert.equal(verdictOf(again).result, 'ok')
  const eve = await world.join('Eve')
  assert.equal((await world.page(eve)).items.length, 1)
  const unfit = await world.publishAt(ada, at(2), 'm2', {
    recipient: { name: 'Fay' },
    again: true,
    problem: 'no',
  })
  assert.equal(verdictOf(unfit).result, 'refused')
  assert.equal(world.database.prepare("SELECT 1 FROM profiles WHERE name = 'Fay'").get(), undefined)
})

test('a hub that was not put back believes nobody that it had accepted something', async () => {
  const { world, ada, at } = await meet()
  const again = await world.publishAt(ada, at(1), 'm1', { recipient: { name: 'Eve' }, again: true })
  assert.equal(verdictOf(again).code, 'ERR_RECIPIENT')
  assert.equal(world.database.prepare("SELECT 1 FROM profiles WHERE name = 'Eve'").get(), undefined)
})

test('what was accepted before finds twice the room, and after that waits at its sender', async () => {
  const { world, ada, bo, at } = await meet()
  await world.resume(bo)
  putBack(world, ada)
  world.limits = { ...world.limits, waitingMax: 2 }
  for (const seq of [1, 2, 3, 4]) await world.publishAt(ada, at(seq), `m${seq}`, { again: true })
  await assert.rejects(world.publishAt(ada, at(5), 'm5', { again: true }), { code: 'ERR_HUB_STORAGE' })
  assert.equal((await world.page(bo)).items.length, 4)
  assert.equal(verdictOf(await world.publishAt(ada, at(5), 'm5')).code, 'ERR_RECIPIENT_FULL')
})

test('what comes under a lower generation changes nothing, however it is sent', async () => {
  const { world, ada, bo, at } = await meet()
  await world.resume(ada)
  await world.tryResume(ada, { generation: 1, instance: 'two' }, 'one')
  const old: Actor = { ...ada, generation: 1 }
  await assert.rejects(world.publish(old, 'm1'), { code: 'ERR_FENCED', details: { generation: 2 } })
  await assert.rejects(world.publishAt(old, at(1), 'm1'), { code: 'ERR_FENCED' })
  assert.equal((await world.page(bo)).items.length, 0)
  assert.equal((await world.publish({ ...ada, generation: 2 }, 'm1')).result, 'ok')
  assert.equal((await world.publish({ ...ada, generation: undefined }, 'm2')).result, 'ok', 'v1 has none')
})

test('who is not registered cannot number', async () => {
  const { world, at } = await meet()
  const nobody = { aiId: 99, name: 'Nobody', generation: undefined }
  await assert.rejects(world.publishAt(nobody, at(1), 'm1'), { code: 'ERR_NO_SUCH_PROFILE' })
})

test('nobody may say what only the hub says', async () => {
  const { world, ada, bo } = await meet()
  const verdict = await world.publish(ada, 'm1', { messageType: 'expired' })
  assert.deepEqual([verdict.result, verdict.code], ['refused', 'ERR_REQUEST_INVALID'])
  assert.equal((await world.page(bo)).items.length, 0)
})
