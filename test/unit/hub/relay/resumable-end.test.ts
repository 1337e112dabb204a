import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endHolder, readLeft } from '../../../../src/hub/holder.ts'
import { defaultRelayLimits } from '../../../../src/hub/relay/relay.ts'
import { endSession, findSession } from '../../../../src/hub/sessions.ts'
import { publishFrame, resumeFrame, ResumableWorld } from './resumable-world.ts'

async function meet() {
  const world = await ResumableWorld.start()
  const ada = await world.join('Ada')
  const bo = await world.join('Bo')
  return { world, ada, bo }
}

test('what is published before a release is answered, and nothing under its generation counts after it', async () => {
  const { world, ada, bo } = await meet()
  const { agent, ready } = await world.open(ada)
  agent.send(publishFrame(ready, 1))
  agent.send({ type: 'release' })
  agent.send(publishFrame(ready, 2))
  assert.equal((await agent.next('publish_ack')).result, 'ok')
  assert.equal(await agent.ended(), '1000')
  assert.equal(agent.closed!.reason, 'released')
  assert.equal(world.registry.session(ada.aiId), undefined)
  // A later connection of the same process is no way back.
  const late = world.dial(ada.accessToken)
  await late.next('connected')
  late.send(resumeFrame({ generation: 1 }))
  assert.equal(await late.ended(), 'fenced')
  const next = await world.open(ada, { instance: 'two', generation: 1 })
  assert.equal(next.ready.generation, 2)
  const { agent: reader } = await world.open(bo)
  assert.equal((await reader.next('message')).message_id, 'm1')
})

test('a release before ready is against the protocol, and one that cannot be written is none', async () => {
  const { world, ada } = await meet()
  const early = world.dial(ada.accessToken)
  await early.next('connected')
  early.send({ type: 'release' })
  assert.equal(await early.ended(), 'protocol_error')
  const { agent } = await world.open(ada)
  world.outage = true
  agent.send({ type: 'release' })
  assert.equal(await agent.ended(), 'unavailable')
  world.outage = false
  assert.equal((await world.open(ada)).ready.generation, 1)
})

test('a session that is ended while it has a connection ends that, at the hub where it is and at any other', async () => {
  const { world, ada } = await meet()
  const end = (identifier: string): Promise<unknown> =>
    world.settle(
      world.storage.write(async (tx) => {
        const found = await findSession(tx, identifier)
        await endHolder(tx, ada.aiId, found!.session_id)
        return endSession(tx, found!.id, world.ports.clock.now())
      }),
    )
  const { agent, ready } = await world.open(ada)
  await end(ready.session_identifier)
  world.registry.session(ada.aiId)?.recheck()
  assert.equal(await agent.ended(), 'ended')
  const second = await world.open(ada, { instance: 'two', generation: 1 })
  assert.equal(second.ready.reason, 'new')
  // Another hub on the same database tells nobody here.
  const before = world.clock.now()
  await end(second.ready.session_identifier)
  assert.equal(await second.agent.ended(), 'ended')
  assert.ok(world.clock.now() - before <= defaultRelayLimits.heartbeatMs)
  const late = world.dial(ada.accessToken)
  await late.next('connected')
  late.send(resumeFrame({ instance: 'two', generation: 2 }))
  assert.equal(await late.ended(), 'ended')
})

test('a session with a connection does not run out', async () => {
  const { world, ada } = await meet()
  const { ready } = await world.open(ada)
  const seenAt = (): number =>
    Number(world.database.prepare('SELECT seen_at FROM sessions').get()?.['seen_at'])
  const opened = seenAt()
  await world.clock.runFor(3_700_000)
  assert.ok(seenAt() > opened + 3_500_000, ready.session_identifier)
})

test('who left is known with the reason, and who is there again has not left', async () => {
  const { world, ada } = await meet()
  const left = async () =>
    (await world.settle(world.storage.read((reader) => readLeft(reader, ada.aiId))))?.reason
  assert.equal(await left(), undefined)
  const first = await world.open(ada)
  assert.equal(await left(), undefined)
  first.agent.close('the agent stops')
  await first.agent.ended()
  assert.equal(await left(), 'the agent stops')
  const second = await world.open(ada, { generation: 1 })
  assert.equal(await left(), undefined)
  // Another connection of the same process takes its place: the end of the one before is no leaving.
  const third = await world.open(ada, { generation: 1 })
  assert.equal(await second.agent.ended(), 'superseded')
  assert.equal(await left(), undefined)
  third.agent.vanish()
  await world.clock.runFor(1_000)
  assert.equal(await left(), 'the connection was lost')
})
