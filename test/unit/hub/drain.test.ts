import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Hub } from '../../../src/hub/hub.ts'
import { NodesWorld, type Socket } from './nodes-world.ts'
import { publishFrame, resumeFrame } from './relay/resumable-world.ts'

async function start(agents: number): Promise<{ world: NodesWorld; hub: Hub; sockets: Socket[] }> {
  const world = new NodesWorld()
  const hub = await world.start('one', { admission: { resumes: { perSecond: 10, burst: 100 } } })
  const sockets: Socket[] = []
  for (let count = 0; count < agents; count++) {
    sockets.push(await world.open('one', await world.join('one', `Agent ${count}`, 1), { generation: 1 }))
  }
  return { world, hub, sockets }
}

test('a hub that drains tells every agent to come back at a time of its own, spread over what it lets in', async () => {
  const { world, hub, sockets } = await start(20)
  const closed = hub.close(10_000)
  const drains = []
  for (const socket of sockets) drains.push(await socket.first('drain'))
  const waits = drains.map((frame) => frame.reconnect_after_ms as number).toSorted((a, b) => a - b)
  assert.equal(new Set(waits).size, 20)
  // A process takes half a second to start, and ten a second are let in.
  for (const [index, waitMs] of waits.entries()) {
    assert.ok(waitMs >= 500 + index * 100 && waitMs <= 600 + index * 100, `${index}: ${waitMs}`)
  }
  for (const frame of drains) assert.ok(frame.deadline_ms >= 5_000 && frame.deadline_ms < 9_000)
  for (const socket of sockets) socket.close()
  await world.settle(closed)
  assert.ok(world.clock.monotonicMs() < 5_000, 'it ends with the last of them')
})

test('those who do not go are sent away one after the other, before the grace is over', async () => {
  const { world, hub, sockets } = await start(20)
  const startMs = world.clock.monotonicMs()
  await world.settle(hub.close(10_000))
  const ends = sockets.map(({ closedMs }) => (closedMs ?? Infinity) - startMs).toSorted((a, b) => a - b)
  assert.deepEqual(new Set(sockets.map(({ closed }) => closed?.code)), new Set([4004]))
  assert.ok((ends[0] as number) >= 5_000 && (ends.at(-1) as number) < 9_500)
  assert.ok((ends.at(-1) as number) - (ends[0] as number) > 1_500)
})

test('what was published before the end has its verdict', async () => {
  const { world, hub, sockets } = await start(2)
  const [sender] = sockets
  const ready = await sender!.first('ready')
  for (let seq = 1; seq <= 50; seq++) {
    sender!.send(publishFrame(ready, seq, { recipient_name: 'Agent 1' }))
  }
  const closed = hub.close(1_000)
  await world.settle(closed)
  const verdicts = sender!.frames.filter(({ type, result }) => type === 'publish_ack' && result === 'ok')
  assert.equal(verdicts.length, 50)
  assert.equal(sender!.closed?.code, 4004)
})

test('an end that is slow to write is waited for as long as the grace goes, and no longer', async () => {
  const { world, hub, sockets } = await start(1)
  const [sender] = sockets
  const ready = await sender!.first('ready')
  const { write } = world.storage
  world.storage.write = () => new Promise(() => {})
  const publish = { type: 'publish', producer_epoch: ready.tx.producer_epoch, recipient_name: 'Agent 0' }
  sender!.send({ ...publish, seq: 1, id: 'm1', content: 'never written' })
  await world.clock.runFor(100)
  const startMs = world.clock.monotonicMs()
  await world.settle(hub.close(2_000))
  world.storage.write = write
  assert.equal(sender!.closed?.code, 4004)
  assert.ok(world.clock.monotonicMs() - startMs <= 2_000)
})

test('sockets of v1 and handshakes that are not done are ended too, in a way that has them come back', async () => {
  const { world, hub } = await start(0)
  const token = await world.join('one', 'Ada', 1)
  const sockets = [
    world.dial('one', token, '/ws/v1/connect'),
    world.dial('one', token, '/ws/v1/session'),
    world.dial('one', token),
  ]
  await world.clock.runFor(100)
  const startMs = world.clock.monotonicMs()
  await world.settle(hub.close(10_000))
  assert.deepEqual(
    sockets.map(({ closed }) => closed?.code),
    [4004, 4004, 4004],
  )
  assert.ok(world.clock.monotonicMs() - startMs < 1_000)
})

test('nobody is let in any more', async () => {
  const { world, hub, sockets } = await start(1)
  const token = await world.login('one', 'Agent 0', 1)
  const closed = hub.close(5_000)
  const late = world.dial('one', token)
  const { code } = await late.ended()
  assert.equal(code, 1006)
  assert.equal(late.opened, false)
  sockets[0]!.send(resumeFrame())
  await world.settle(closed)
})
