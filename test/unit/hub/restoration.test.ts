import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endHolder, release } from '../../../src/hub/holder.ts'
import { sessionTtlMs, sweepSessions, touchSession } from '../../../src/hub/resumable-session.ts'
import { endSession, findSession } from '../../../src/hub/sessions.ts'
import type { HubTx } from '../../../src/hub/storage.ts'
import { meet, noted } from './hub-world.ts'

test('a session that had no connection for too long is expired, and a new one takes its place', async () => {
  const { world, ada, first, position } = await meet()
  await world.clock.runFor(sessionTtlMs + 1)
  const again = await world.resume(ada, position)
  assert.equal(again.reason, 'session_expired')
  assert.notEqual(again.sessionIdentifier, first.sessionIdentifier)
  // Asked for once more, by whoever has not heard of the new one: there is one session, and not one for each question.
  const late = await world.resume(ada, position)
  assert.equal(late.reason, 'session_expired')
  assert.equal(late.sessionIdentifier, again.sessionIdentifier)
})

test('a session that was swept is expired, and one that had a connection since is not', async () => {
  const { world, ada, first, position } = await meet()
  const sweep = () => world.write((tx) => sweepSessions(tx, { now: world.now, countMax: 10 }))
  await world.clock.runFor(sessionTtlMs - 1)
  assert.equal(await sweep(), 0)
  await world.write((tx) => touchSession(tx, first.sessionId, world.now))
  await world.clock.runFor(sessionTtlMs - 1)
  assert.equal(await sweep(), 0)
  await world.clock.runFor(2)
  assert.equal(await sweep(), 1)
  assert.equal(await sweep(), 0)
  const again = await world.resume(ada, position)
  assert.equal(again.reason, 'session_expired')
  assert.notEqual(again.sessionIdentifier, first.sessionIdentifier)
})

test('a clock that was set back makes no session older than it is', async () => {
  const { world, first } = await meet()
  await world.write((tx) => touchSession(tx, first.sessionId, world.now - 1_000))
  const [row] = world.database.prepare('SELECT seen_at FROM sessions').all() as { seen_at: number }[]
  assert.equal(row?.seen_at, world.now)
})

test('the session of somebody else is unknown: the agent keeps its own, or gets another', async () => {
  const { world, ada, bo, first, position } = await meet()
  const other = await world.resume(bo, { instance: 'bo' })
  const asked = { ...position, session_identifier: other.sessionIdentifier }
  const got = await world.resume(ada, asked)
  assert.equal(got.reason, 'session_unknown')
  assert.equal(got.sessionIdentifier, first.sessionIdentifier)
  await world.write((tx) => end(tx, first.sessionIdentifier))
  const fresh = await world.resume(ada, { ...asked, instance: 'two' })
  assert.equal(fresh.reason, 'session_unknown')
  assert.ok(![first, other].some(({ sessionIdentifier }) => sessionIdentifier === fresh.sessionIdentifier))
  assert.equal((await world.resume(bo, { ...noted(other), instance: 'bo' })).reason, 'resumed')
})

async function end(tx: HubTx, identifier: string): Promise<void> {
  const found = await findSession(tx, identifier)
  await endHolder(tx, found!.ai_id, found!.session_id)
  await endSession(tx, found!.id, 0)
}

test('a session that was ended is over for its process, and the next one gets another', async () => {
  const { world, ada, bo, first, position } = await meet()
  await world.publish(bo, 'waits', { recipient: { name: 'Ada' } })
  await world.write((tx) => end(tx, first.sessionIdentifier))
  assert.deepEqual(await world.tryResume(ada, position), { kind: 'ended' })
  assert.deepEqual(await world.tryResume(ada, { ...position, takeover: true }), { kind: 'ended' })
  const place = { producerEpoch: first.producer.epoch, seq: 1 }
  const actor = { ...ada, generation: 1 }
  await assert.rejects(world.publishAt(actor, place, 'm1'), { code: 'ERR_SESSION_ENDED' })
  // Nobody is asked whether the old process is there.
  const next = await world.resume(ada, { ...position, instance: 'two' })
  assert.equal(next.reason, 'session_ended')
  assert.equal(next.generation, 2)
  assert.notEqual(next.sessionIdentifier, first.sessionIdentifier)
  // What waits is the agent's and not the session's; nor is anything numbered anew.
  assert.deepEqual([next.next, next.stream.top], [1, 1])
  assert.equal(next.producer.epoch, first.producer.epoch)
  assert.deepEqual(await world.tryResume(ada, { ...position, claim: 'other' }), {
    kind: 'fenced',
    generation: 2,
  })
  const again = await world.resume(ada, { ...noted(next), instance: 'two' })
  assert.equal(again.reason, 'resumed')
})

test('whoever has let go changes nothing any more, and is not asked when the next one comes', async () => {
  const { world, ada, first, position } = await meet()
  const actor = { ...ada, generation: 1 }
  await world.write((tx) => release(tx, actor))
  const place = { producerEpoch: first.producer.epoch, seq: 1 }
  await assert.rejects(world.publishAt(actor, place, 'm1'), { code: 'ERR_FENCED' })
  await assert.rejects(world.publish(actor, 'm1'), { code: 'ERR_FENCED' })
  await assert.rejects(
    world.write((tx) => release(tx, actor)),
    { code: 'ERR_FENCED' },
  )
  assert.deepEqual(await world.tryResume(ada, position), { kind: 'fenced', generation: 1 })
  const next = await world.resume(ada, { ...position, instance: 'two' })
  assert.equal(next.reason, 'resumed')
  assert.equal(next.generation, 2)
  assert.equal(next.sessionIdentifier, first.sessionIdentifier)
  const verdict = await world.publishAt({ ...ada, generation: 2 }, place, 'm1')
  assert.equal(verdict.kind, 'verdict')
  await assert.rejects(
    world.write((tx) => release(tx, actor)),
    { code: 'ERR_FENCED' },
  )
})
