import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SendQueues } from '../../../src/hub/relay/send-queues.ts'
import type { Member } from '../../../src/hub/relay/registry.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'
import { NodesWorld } from './nodes-world.ts'

const mebibyte = 1024 * 1024

/** Reads whatever it is sent, however much. */
const greedy = { generation: 1, credit: { messages: 1_000_000, bytes: 2 ** 40 } }

async function send(world: NodesWorld, token: string, to: string, count: number): Promise<void> {
  for (let number = 1; number <= count; number++) {
    const body = { recipient_name: to, content: 'x'.repeat(900_000), message_id: `${to} ${number}` }
    const { status } = await world.call('one', 'POST', '/message/send', { token, body })
    assert.equal(status, 200)
  }
}

test('whoever does not read is sent away at its bound, loses nothing, and keeps nobody else waiting', async () => {
  const world = new NodesWorld()
  await world.start('one')
  // Longer than the hub takes to fill the queue: it is the hub that ends it.
  world.network.retransmitMs = 3_600_000
  const [sender, slow, other] = [
    await world.join('one', 'Sender', 1),
    await world.join('one', 'Slow', 1),
    await world.join('one', 'Other', 1),
  ]
  const stuck = await world.open('one', slow, greedy, world.guest('slow'))
  const reader = await world.open('one', other, greedy, world.guest('other'))
  world.network.link('one', 'slow').down = true
  await send(world, sender, 'Slow', 30)
  await send(world, sender, 'Other', 3)
  await world.clock.run(() => reader.frames.filter(({ type }) => type === 'message').length === 3)
  world.network.link('one', 'slow').down = false
  await stuck.ended()
  assert.ok(stuck.frames.filter(({ type }) => type === 'message').length < 30)
  // It comes back, and has them all.
  const again = await world.open('one', slow, greedy, world.guest('slow'))
  await world.clock.run(() => again.frames.filter(({ type }) => type === 'message').length === 30)
  assert.deepEqual(
    again.frames.filter(({ type }) => type === 'message').map(({ message_id: id }) => id),
    Array.from({ length: 30 }, (_, index) => `Slow ${index + 1}`),
  )
  assert.equal(reader.closed, undefined)
})

test('what all connections hold together is bounded, by those that hold most', async () => {
  const world = new NodesWorld()
  // No single one comes to its own bound.
  const hub = await world.start('one', { sendQueuesBytesMax: 8 * mebibyte })
  world.network.retransmitMs = 3_600_000
  const sender = await world.join('one', 'Sender', 1)
  const counts = [2, 8, 2, 6, 1]
  const sockets = []
  for (const [index] of counts.entries()) {
    const host = `slow${index}`
    const token = await world.join('one', host, 1)
    sockets.push(await world.open('one', token, greedy, world.guest(host)))
    world.network.link('one', host).down = true
  }
  for (const [index, count] of counts.entries()) await send(world, sender, `slow${index}`, count)
  await world.clock.runFor(1_000)
  assert.ok(world.events.includes('hub:queues:shed'))
  // Those with one or two messages hold little, and stay.
  assert.ok(hub.sessionCount >= 3 && hub.sessionCount < 5, `${hub.sessionCount} are left`)
})

interface Queue {
  bytes: number
  shed: boolean
}

function queuesOf(queues: Queue[], bytesMax: number): SendQueues {
  const members = queues.map((queue): Member => ({
    aiId: 1,
    sid: '',
    isPlain: false,
    get bufferedBytes() {
      return queue.shed ? 0 : queue.bytes
    },
    close: () => {},
    shed: () => void (queue.shed = true),
    drain: () => {},
  }))
  return new SendQueues({ bytesMax, members: () => members, log: createSimulatedLog(new Trace()) })
}

test('the largest queues go first, until there is a quarter of room again', () => {
  const queues = [10, 400, 20, 300, 30, 200, 90].map((bytes) => ({ bytes, shed: false }))
  queuesOf(queues, 1_000).sent(1_050)
  assert.deepEqual(
    queues.filter(({ shed }) => shed).map(({ bytes }) => bytes),
    [400],
  )
})

test('nobody goes while all together are within the bound, however much was sent', () => {
  const queues = [500, 499].map((bytes) => ({ bytes, shed: false }))
  const all = queuesOf(queues, 1_000)
  for (let count = 0; count < 100; count++) all.sent(1_000)
  assert.ok(queues.every(({ shed }) => !shed))
})
