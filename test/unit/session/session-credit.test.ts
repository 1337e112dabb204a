import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closeCodes } from '../../../src/protocol/close-codes.ts'
import { messageFrame, SessionWorld } from './session-world.ts'

test('a hub may send what it was granted, the last frame being as large as it likes, and no more', async () => {
  const world = new SessionWorld({ limits: { window: { messages: 4, bytes: 1_000 } } })
  const large = { content: 'x'.repeat(2_000) }
  world.store.hold = () => new Promise(() => {})
  const first = await world.asked()
  // Nothing is noted yet, so nothing can have been granted anew.
  first.ready()
  first.send(messageFrame(1))
  first.send(messageFrame(2, large))
  await world.clock.runFor(100)
  assert.deepEqual([first.closed], [undefined])
  first.send(messageFrame(3))
  await world.run(() => first.closed !== undefined)
  assert.equal(first.closed?.code, closeCodes.protocol_error)
  const other = new SessionWorld({ limits: { window: { messages: 4, bytes: 1_000_000 } } })
  const end = await other.online()
  other.store.hold = () => new Promise(() => {})
  for (const offset of [1, 2, 3, 4]) end.send(messageFrame(offset))
  await other.clock.runFor(100)
  assert.deepEqual([end.closed], [undefined])
  end.send(messageFrame(5))
  await other.run(() => end.closed !== undefined)
  assert.equal(end.closed?.code, closeCodes.protocol_error)
})

test('a hub that is granted anew may send on', async () => {
  const world = new SessionWorld({ limits: { window: { messages: 2, bytes: 1_000_000 } } })
  const end = await world.online()
  for (let offset = 1; offset <= 9; offset++) {
    end.send(messageFrame(offset))
    await world.run(() => end.all('ack').length === offset)
  }
  await world.stopped()
})

test('what comes before a ready is noted is bounded, whatever it is', async () => {
  const world = new SessionWorld({ limits: { window: { messages: 4, bytes: 1_000 } } })
  world.store.hold = () => new Promise(() => {})
  const end = await world.asked()
  end.ready()
  for (let count = 0; count < 21; count++) end.send({ type: 'credit', messages: 1, bytes: 1 })
  await world.run(() => end.closed !== undefined)
  assert.equal(end.closed?.code, closeCodes.protocol_error)
})
