import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineAgent } from '../../../src/index.ts'
import type { Outgoing, Verdict } from '../../../src/queue/outbox.ts'
import type { Priority } from '../../../src/queue/priority.ts'
import { HubWorld, type OpenOptions, type TestAgent } from '../runtime/hub/hub-world.ts'

const definition = defineAgent({ name: 'Ada' })

/** An agent without a hub, whose messages go where the test says. */
async function open(deliver: (message: Outgoing) => Promise<Verdict>, limits: OpenOptions['limits'] = {}) {
  const world = new HubWorld()
  const place = world.place()
  const options = { definition, deliver, limits } as OpenOptions
  const ada = await world.open('Ada', place, options)
  const send = (
    id: string,
    options: { priority?: Priority; ttl?: number; conversation?: string } = {},
    at = ada,
  ) => world.clock.settle(at.agent.send({ id, to: 'Bo', content: id, conversation: id, ...options }))
  return { world, place, ada, send, options }
}

const statusOf = ({ agent }: TestAgent) =>
  agent.reader
    .all<{ id: string; status: string }>('SELECT id, status FROM outbox ORDER BY sequence')
    .map(({ id, status }) => `${id} ${status}`)

test('without a hub too, the most urgent goes first, in order within a conversation', async () => {
  const got: string[] = []
  let isAway = true
  const { world, ada, send } = await open(async ({ id }) => {
    if (isAway) return { verdict: 'retry', error: 'away' }
    got.push(id)
    return { verdict: 'delivered' }
  })
  await send('low', { priority: 'low' })
  await send('talk 1', { priority: 'low', conversation: 'talk' })
  await send('normal')
  await send('talk 2', { priority: 'high', conversation: 'talk' })
  await world.clock.runFor(5_000)
  isAway = false
  await world.run(() => got.length === 4)
  assert.deepEqual(got, ['talk 1', 'talk 2', 'normal', 'low'])
  await world.close(ada)
})

test('what certainly has not arrived expires in time, and what may have arrived goes on', async () => {
  const answer: { verdict: Verdict } = { verdict: { verdict: 'retry', error: 'away' } }
  const { world, ada, send } = await open(async () => answer.verdict)
  await send('a', { ttl: 10_000 })
  await world.clock.runFor(9_999)
  assert.deepEqual(statusOf(ada), ['a pending'])
  await world.run(() => statusOf(ada)[0] === 'a expired')
  answer.verdict = { verdict: 'retry', error: 'no answer', isOpen: true }
  await send('b', { ttl: 5_000 })
  await world.clock.runFor(60_000)
  assert.deepEqual(statusOf(ada), ['a expired', 'b pending'])
  answer.verdict = { verdict: 'delivered' }
  await world.run(() => statusOf(ada)[1] === 'b delivered')
  await world.close(ada)
})

test('what was being handed over when the process died does not expire: it may have arrived', async () => {
  const { world, place, ada, send, options } = await open(() => new Promise(() => {}))
  await send('a', { ttl: 5_000 })
  await world.clock.runFor(1_000)
  ada.process.kill('in the middle')
  await world.clock.runFor(60_000)
  const again = await world.open('Ada', place, {
    ...options,
    deliver: async () => ({ verdict: 'retry', error: 'away' }),
  })
  await world.clock.runFor(60_000)
  assert.deepEqual(statusOf(again), ['a pending'])
  await world.close(again)
})

test('what is being handed over does not expire by a message to somebody else', async () => {
  let answer = (_verdict: Verdict): void => {}
  const { world, ada, send } = await open(
    ({ to }) =>
      to === 'Bo' ? new Promise((resolve) => (answer = resolve)) : Promise.resolve({ verdict: 'delivered' }),
    { outboxAgeMaxMs: 60_000 },
  )
  const expired: number[] = []
  ada.agent.on('outbox:message:expired', ({ sequence }) => expired.push(sequence))
  await send('a')
  await world.clock.runFor(61_000)
  await world.clock.settle(ada.agent.send({ id: 'b', to: 'Cy', content: 'b', ttl: '10s' }))
  await world.run(() => statusOf(ada)[1] === 'b delivered')
  answer({ verdict: 'delivered' })
  await world.run(() => !statusOf(ada).includes('a pending'))
  assert.deepEqual([statusOf(ada), expired], [['a delivered', 'b delivered'], []])
  await world.close(ada)
})

test('recipients do not wait for each other, and one that is away is tried later and later', async () => {
  const tries: string[] = []
  const { world, ada } = await open(async ({ to }) => {
    tries.push(to)
    return to === 'Bo' ? { verdict: 'retry', error: 'away' } : { verdict: 'delivered' }
  })
  await world.clock.settle(ada.agent.send({ id: '1', to: 'Bo', content: 1 }))
  await world.clock.runFor(60_000)
  const before = tries.length
  await world.clock.settle(ada.agent.send({ id: '2', to: 'Cy', content: 2 }))
  await world.run(() => tries.includes('Cy'))
  assert.ok(before > 3 && before < 60, `tried ${before} times`)
  await world.close(ada)
})
