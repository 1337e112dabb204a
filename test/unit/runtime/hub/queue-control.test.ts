import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineAgent } from '../../../../src/index.ts'
import { hasCode } from '../../credentials/fake-hub.ts'
import { HubWorld, inboxOf, pendingOf, type TestAgent } from './hub-world.ts'

const hub = 'http://127.0.0.1:9001'

/** A hub, and Bo at it. */
async function meet() {
  const world = new HubWorld()
  await world.hub(world.place(), 9001)
  const bo = await world.online('Bo', world.place(), { hub })
  const send = ({ agent }: TestAgent, id: string, options: object = {}) =>
    world.clock.settle(agent.send({ id, to: 'Bo', content: id, ...options }))
  return { world, bo, send }
}

const outbox = ({ agent }: TestAgent) =>
  agent.reader
    .all<{ id: string; status: string; retry_of: number | null; retried_as: number | null }>(
      'SELECT id, status, retry_of, retried_as FROM outbox ORDER BY sequence',
    )
    .map(({ status, retry_of, retried_as }) => [status, retry_of, retried_as])

test('a paused outbox keeps what is sent, over restarts, and sends it when it goes on', async () => {
  const { world, bo, send } = await meet()
  const place = world.place()
  const ada = await world.online('Ada', place, { hub })
  await world.clock.settle(ada.agent.queue.pause(['outbox']))
  await send(ada, 'm1')
  await send(ada, 'm2', { priority: 'high' })
  await world.clock.runFor(30_000)
  await world.close(ada)
  const again = await world.online('Ada', place, { hub })
  await send(again, 'm3')
  await world.clock.runFor(30_000)
  assert.deepEqual([pendingOf(again.agent), inboxOf(bo.agent)], [3, []])
  await world.clock.settle(again.agent.queue.resume(['outbox']))
  await world.run(() => inboxOf(bo.agent).length === 3)
  // One conversation: what is urgent takes what stands before it along.
  assert.deepEqual(inboxOf(bo.agent), ['m1', 'm2', 'm3'])
  await world.close(again, bo)
})

test('a paused inbox takes in what comes, and handles it when it goes on, over restarts', async () => {
  const world = new HubWorld()
  const place = world.place()
  const handled: string[] = []
  const definition = defineAgent({ name: 'Ada', onMessage: ({ text }) => void handled.push(text) })
  const ada = await world.open('Ada', place, { definition })
  await world.clock.settle(ada.agent.queue.pause(['inbox']))
  const ingest = ({ agent }: TestAgent, id: string) => world.clock.settle(agent.ingest({ id, payload: id }))
  await ingest(ada, 'a')
  await world.clock.runFor(10_000)
  await world.close(ada)
  const again = await world.open('Ada', place, { definition })
  await ingest(again, 'b')
  await world.clock.runFor(10_000)
  assert.deepEqual(handled, [])
  await world.clock.settle(again.agent.queue.resume(['inbox', 'outbox']))
  await world.run(() => handled.length === 2)
  assert.deepEqual(handled, ['a', 'b'])
  await world.close(again)
})

test('a turn that runs alone and found no room on the disk is not begun again while the inbox is paused', async () => {
  const world = new HubWorld()
  const place = world.place()
  const attempts: number[] = []
  const definition = defineAgent({
    name: 'Ada',
    onStart: (_, { turn: { attempt } }) => {
      attempts.push(attempt)
      place.database.fullRate = attempt === 1 ? 1 : 0
    },
  })
  const ada = await world.open('Ada', place, { definition })
  await world.run(() => world.logged.includes('turn:attempt:abandoned'))
  place.database.fullRate = 0
  await world.clock.settle(ada.agent.queue.pause(['inbox']))
  await world.clock.runFor(30_000)
  assert.deepEqual(attempts, [1])
  // It is not to be taken for what killed the process, should that die now.
  const row = ada.agent.reader.get<{ status: string }>('SELECT status FROM inbox')
  assert.equal(row?.status, 'pending')
  await world.clock.settle(ada.agent.queue.resume(['inbox']))
  await world.clock.runFor(1_000)
  assert.deepEqual(attempts, [1, 2])
  await world.close(ada)
})

test('a turn is not begun that was taken before a pause, and would come to the disk after it', async () => {
  const world = new HubWorld()
  const handled: string[] = []
  const definition = defineAgent({
    name: 'Ada',
    onMessage: ({ text }) => void handled.push(text.slice(0, 1)),
  })
  const ada = await world.open('Ada', world.place(), { definition })
  await world.clock.runFor(1_000)
  // Each input fills its batch: the pause comes to the disk with the second one, and the first turn only after it.
  const input = (id: string) => ({ id, payload: id.repeat(600_000) })
  const { agent } = ada
  await world.clock.settle(
    Promise.all([agent.ingest(input('a')), agent.queue.pause(['inbox']), agent.ingest(input('b'))]),
  )
  await world.clock.runFor(10_000)
  assert.deepEqual(handled, [])
  await world.clock.settle(agent.queue.resume(['inbox']))
  await world.run(() => handled.length === 2)
  assert.deepEqual(handled, ['a', 'b'])
  await world.close(ada)
})

test('a dead letter is sent again under another id, and once, however often that is asked for', async () => {
  const { world, bo, send } = await meet()
  const ada = await world.online('Ada', world.place(), { hub })
  await send(ada, 'm1', { to: 'Cy' })
  await world.run(() => pendingOf(ada.agent) === 0)
  const retried: unknown[] = []
  ada.agent.on('outbox:message:retried', (event) => retried.push(event))
  // Cy is not there yet: it is refused once more, and that one is what is meant from then on.
  assert.deepEqual(await world.clock.settle(ada.agent.queue.retryMessage(1)), {
    sequence: 2,
    duplicate: false,
  })
  await world.run(() => pendingOf(ada.agent) === 0)
  const cy = await world.online('Cy', world.place(), { hub })
  assert.deepEqual(await world.clock.settle(ada.agent.queue.retryMessage(1)), {
    sequence: 3,
    duplicate: false,
  })
  assert.deepEqual(await world.clock.settle(ada.agent.queue.retryMessage(1)), {
    sequence: 3,
    duplicate: true,
  })
  await world.run(() => inboxOf(cy.agent).length > 0)
  await world.clock.runFor(10_000)
  assert.deepEqual(inboxOf(cy.agent), ['m1'])
  assert.deepEqual(outbox(ada), [
    ['refused', null, 2],
    ['refused', 1, 3],
    ['delivered', 2, null],
  ])
  assert.equal(retried.length, 2)
  await assert.rejects(
    world.clock.settle(ada.agent.queue.retryMessage(3)),
    hasCode('ERR_NO_SUCH_MESSAGE', false),
  )
  await world.close(ada, bo, cy)
})

test('all dead letters are tried again at once, those of the inbox too', async () => {
  const { world, bo, send } = await meet()
  let isBroken = true
  const definition = defineAgent({
    name: 'Ada',
    limits: { failuresMax: 1 },
    onMessage() {
      if (isBroken) throw new Error('broken')
    },
  })
  const ada = await world.online('Ada', world.place(), { hub, definition })
  const dead = () => ada.agent.reader.all('SELECT * FROM dead_letters').length
  for (const id of ['1', '2', '3']) await world.clock.settle(ada.agent.ingest({ id, payload: id }))
  for (const id of ['m1', 'm2']) await send(ada, id, { to: 'Nobody' })
  await world.run(() => pendingOf(ada.agent) === 0 && dead() === 3)
  isBroken = false
  assert.deepEqual(await world.clock.settle(ada.agent.queue.retryAll(['inbox', 'outbox'])), {
    turns: 3,
    messages: 2,
  })
  await world.run(() => pendingOf(ada.agent) === 0 && dead() === 0)
  await world.clock.runFor(5_000)
  const done = ada.agent.reader.get<{ count: number }>(
    "SELECT count(*) AS count FROM inbox WHERE status = 'done'",
  )
  assert.equal(done?.count, 3)
  assert.deepEqual(await world.clock.settle(ada.agent.queue.purgeDead(['inbox', 'outbox'])), {
    turns: 0,
    messages: 4,
  })
  assert.deepEqual(outbox(ada), [])
  await world.close(ada, bo)
})

test('what waits can be purged, and what is under way cannot', async () => {
  const { world, bo, send } = await meet()
  const place = world.place()
  const local = await world.open('Ada', place, { deliver: async () => ({ verdict: 'retry', error: 'away' }) })
  const gone: unknown[] = []
  local.agent.on('outbox:message:expired', ({ sequence, reason }) => gone.push([sequence, reason]))
  for (const id of ['m1', 'm2']) await send(local, id)
  await world.clock.runFor(1_000)
  assert.deepEqual(await world.clock.settle(local.agent.queue.purgePending()), { messages: 2, underWay: 0 })
  assert.deepEqual(gone, [
    [1, 'purged: its owner did not want it to be sent any more'],
    [2, 'purged: its owner did not want it to be sent any more'],
  ])
  await world.close(local)
  const lost = await world.open('Ada', place, {
    deliver: async () => ({ verdict: 'retry', error: 'no answer', isOpen: true }),
  })
  await send(lost, 'm3')
  await world.run(() => outbox(lost).length === 3)
  await world.clock.runFor(5_000)
  await send(lost, 'm4')
  assert.deepEqual(await world.clock.settle(lost.agent.queue.purgePending()), { messages: 1, underWay: 1 })
  await world.close(lost, bo)
})
