import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../src/errors.ts'
import { closeCodes } from '../../../src/protocol/close-codes.ts'
import { messageFrame, readyFrame, SessionWorld, type HubEnd } from './session-world.ts'

test('goes online by greeting, resume and ready, and notes what the hub decided before it acts', async () => {
  const world = new SessionWorld()
  world.store.add(1)
  const end = await world.asked()
  assert.equal(end.path, '/ws/v1/connect?resume=1')
  assert.equal(end.authorization, 'Bearer t1')
  let release = (): void => {}
  world.store.hold = () => new Promise((resolve) => (release = resolve))
  end.ready({ generation: 4 })
  end.send(messageFrame(1))
  await world.clock.runFor(1_000)
  assert.deepEqual([world.session.status.state, end.all('publish').length], ['resuming', 0])
  world.store.hold = undefined
  release()
  await world.run(() => end.all('ack').length > 0 && end.all('publish').length > 0)
  assert.deepEqual(world.states, ['connecting', 'resuming', 'online'])
  assert.deepEqual([world.recorded, world.store.messages], [[4], ['in1']])
  const { sessionIdentifier, generation, attempts } = world.session.status
  assert.deepEqual([sessionIdentifier, generation, attempts], ['abc1234', 4, 0])
  await world.stopped()
})

test('resumes where it stands', async () => {
  const world = new SessionWorld({ takeover: true })
  const first = await world.online()
  first.send(messageFrame(1))
  await world.run(() => first.all('ack').length > 0)
  assert.equal(first.all('resume')[0].takeover, true)
  first.terminate()
  const second = await world.asked()
  const [resume] = second.all('resume')
  assert.deepEqual(resume.rx, { epoch: 'e', offset: 1, last_id: 'mark 1' })
  assert.deepEqual([resume.session_identifier, resume.generation, resume.takeover], ['abc1234', 1, false])
  await world.stopped()
})

const dropped: readonly [string, (end: HubEnd) => void][] = [
  ['at once', (end) => end.terminate()],
  ['after the greeting', (end) => (end.greet(), end.terminate())],
  ['with ready', (end) => (end.greet(), end.ready(), end.terminate())],
  ['in good order', (end) => (end.greet(), end.close(1001))],
]

for (const [when, drop] of dropped) {
  test(`a connection that is dropped ${when} is tried again`, async () => {
    const world = new SessionWorld()
    world.session.start()
    drop(await world.next())
    await world.run(() => world.session.status.state === 'backing-off')
    assert.equal(world.session.status.attempts, 1)
    await world.online({ generation: 2 })
    await world.stopped()
  })
}

const endsAs: Readonly<Record<string, string>> = {
  revoked: 'ERR_TOKEN_REVOKED',
  unsupported: 'ERR_HUB_PROTOCOL',
  ended: 'ERR_SESSION_ENDED',
}

test('every close code of the hub leads where its table says', async () => {
  for (const [why, code] of Object.entries(closeCodes)) {
    const world = new SessionWorld()
    const end = await world.online()
    end.close(code, `${why} by another`)
    await world.run(() => world.session.status.state !== 'online')
    const { state } = world.session.status
    assert.equal(state, code < 4_500 ? 'backing-off' : 'stopped', why)
    assert.equal(world.ended?.code, code < 4_500 ? undefined : (endsAs[why] ?? 'ERR_FENCED'))
    assert.deepEqual(world.invalidated, why === 'unauthorized' ? ['t1'] : [])
    // What is in no trouble is there still, and nobody else can have its port.
    const isGone = ['protocol_error', 'timeout', 'drain', 'unavailable'].includes(why)
    assert.equal(world.doubts, isGone ? 1 : 0, why)
    await world.stopped()
  }
})

test('a hub that is gone, refuses the upgrade or is unknown is tried again', async () => {
  const world = new SessionWorld()
  world.refusal = 401
  world.session.start()
  await world.run(() => world.session.status.attempts === 2)
  assert.equal(world.session.status.reason, 'HTTP 401')
  assert.deepEqual(world.invalidated, ['t1', 't1'])
  assert.equal(world.doubts, 2)
  world.refusal = undefined
  await world.online()
  await world.stopped()
})

test('being replaced by another process stops it, by another connection of its own it does not', async () => {
  const own = new SessionWorld()
  const end = await own.online()
  end.close(closeCodes.replaced, 'replaced by one')
  await own.run(() => own.session.status.state === 'backing-off')
  await own.online()
  await own.stopped()
  const other = new SessionWorld()
  const lost = await other.online()
  lost.close(closeCodes.replaced, 'replaced by two')
  await other.run(() => other.ended !== undefined)
  assert.equal(other.ended?.code, 'ERR_FENCED')
  await other.clock.runFor(600_000)
  assert.equal(other.ends.length, 1)
  await other.stopped()
})

test('credentials that are no good stop it, and an outage does not', async () => {
  const outage = new SessionWorld()
  const { access } = outage
  outage.access = () => Promise.reject(new PerduraError('ERR_HUB_UNREACHABLE', 'no answer'))
  outage.session.start()
  await outage.run(() => outage.session.status.attempts === 3)
  outage.access = access
  await outage.next()
  await outage.stopped()
  const refused = new SessionWorld()
  refused.access = () => Promise.reject(new PerduraError('ERR_CREDENTIALS', 'wrong'))
  refused.session.start()
  await refused.run(() => refused.ended !== undefined)
  assert.equal(refused.ended?.code, 'ERR_CREDENTIALS')
  assert.equal(refused.session.status.state, 'stopped')
})

const garbage: readonly [string, string, boolean][] = [
  ['what is no JSON', '{"type":"mess', true],
  ['a message without its fields', '{"type":"message"}', true],
  ['an offset that is no number', JSON.stringify(messageFrame(1, { offset: '1' })), true],
  ['an offset out of order', JSON.stringify(messageFrame(5)), true],
  [
    'a gap that goes back',
    JSON.stringify({ type: 'gap', epoch: 'e', from: 3, to: 1, last_id: 'x', reason: '' }),
    true,
  ],
  ['a verdict of an unknown kind', '{"type":"publish_ack","seq":1,"result":"maybe"}', true],
  ['a verdict that nobody asked for', '{"type":"publish_ack","seq":9,"result":"ok"}', false],
  ['a frame of a kind that is not known', '{"type":"news","x":1}', false],
  ['a second greeting', '{"type":"connected","ai_id":1,"ai_name":"Ada"}', false],
  ['a second ready', JSON.stringify(readyFrame({ generation: 9 })), false],
  ['an error', '{"type":"error","error":"x"}', false],
]

for (const [what, text, ends] of garbage) {
  test(`${what} ${ends ? 'ends the connection' : 'is passed over'}`, async () => {
    const world = new SessionWorld()
    const end = await world.online()
    end.raw(text)
    await world.clock.runFor(100)
    assert.equal(world.session.status.state, ends ? 'backing-off' : 'online')
    if (ends) assert.equal(end.closed?.code, closeCodes.protocol_error)
    assert.deepEqual(world.recorded, [1])
    await world.stopped()
  })
}

test('a ready that would leave a hole is refused, and nothing of it is noted', async () => {
  const world = new SessionWorld()
  world.store.current = { ...world.store.current, rx: { epoch: 'e', offset: 3, lastId: 'x' }, generation: 2 }
  const end = await world.asked()
  end.ready({ generation: 2, stream: { epoch: 'e', floor: 0, top: 9, next: 6 } })
  await world.run(() => end.closed !== undefined)
  assert.equal(end.closed?.code, closeCodes.protocol_error)
  assert.deepEqual(world.store.begun, [])
  const second = await world.asked()
  second.ready({ generation: 1, stream: { epoch: 'e2', floor: 0, top: 9, next: 1 } })
  await world.run(() => second.closed !== undefined)
  assert.deepEqual(world.store.begun, [])
  await world.stopped()
})

test('what cannot be noted is not acted on', async () => {
  const world = new SessionWorld()
  world.store.add(1)
  world.store.hold = () => Promise.reject(new PerduraError('ERR_STORE_WRITE', 'disk'))
  const end = await world.asked()
  end.ready()
  await world.run(() => end.closed !== undefined)
  assert.equal(end.closed?.code, closeCodes.unavailable)
  assert.deepEqual([end.all('publish'), world.recorded], [[], []])
  world.store.hold = undefined
  await world.online()
  await world.stopped()
})

test('a token is renewed in band when it is time', async () => {
  const world = new SessionWorld()
  world.refreshAtMs = 60_000
  const end = await world.online()
  const keepAlive = async (ms: number): Promise<void> => {
    for (let waited = 0; waited < ms; waited += 10_000) {
      end.send({ type: 'ping' })
      await world.clock.runFor(10_000)
    }
  }
  await keepAlive(50_000)
  assert.deepEqual(end.all('refresh'), [])
  world.token = 't2'
  world.refreshAtMs = Infinity
  await keepAlive(30_000)
  assert.deepEqual(end.all('refresh'), [{ type: 'refresh', token: 't2' }])
  end.send({ type: 'refreshed', token_ttl_s: 600 })
  // What is refused then is the token that it has now.
  end.close(closeCodes.unauthorized)
  await world.run(() => world.session.status.state === 'backing-off')
  assert.deepEqual(world.invalidated, ['t2'])
  await world.stopped()
})

test('a token that cannot be renewed now leaves the connection as it is', async () => {
  const world = new SessionWorld()
  world.refreshAtMs = 5_000
  const end = await world.online()
  world.access = () => Promise.reject(new PerduraError('ERR_HUB_UNREACHABLE', 'no answer'))
  await world.clock.runFor(15_000)
  assert.deepEqual([world.session.status.state, end.all('refresh')], ['online', []])
  await world.stopped()
})

test('what is larger than the frames of the hub uses its number up, and blocks nothing', async () => {
  const world = new SessionWorld()
  world.store.add(1, 'x'.repeat(5_000))
  world.store.add(2)
  world.session.start()
  const end = await world.next()
  end.greet({ frame_bytes_max: 1_000 })
  await world.run(() => end.all('resume').length > 0)
  end.ready()
  await world.run(() => end.all('publish').length === 2)
  const [first, second] = end.all('publish')
  assert.deepEqual([first?.['seq'], first?.['id'], first?.['content']], [1, 'm1', undefined])
  assert.deepEqual([second?.['seq'], second?.['content']], [2, 2])
  await world.stopped()
})

test('a numbering that does not fit is forgotten before the next resume', async () => {
  const world = new SessionWorld()
  world.store.add(4)
  const end = await world.online()
  await world.run(() => end.all('publish').length === 1)
  end.send({ type: 'publish_ack', seq: 4, result: 'expected', expected_seq: 2 })
  await world.run(() => end.closed !== undefined)
  assert.deepEqual([end.closed?.code, world.store.forgotten], [closeCodes.resume_again, 1])
  await world.stopped()
})

test('what a connection is still writing is at rest before the next one asks', async () => {
  const world = new SessionWorld()
  const first = await world.online()
  let release = (): void => {}
  world.store.hold = () => new Promise((resolve) => (release = resolve))
  first.send(messageFrame(1))
  await world.run(() => world.store.busy === 1)
  first.terminate()
  await world.clock.runFor(60_000)
  assert.equal(world.ends.length, 1)
  world.store.hold = undefined
  release()
  const second = await world.asked()
  assert.equal(second.all('resume')[0].rx.offset, 1)
  await world.stopped()
})

test('a gap is announced, and the position passes over it', async () => {
  const world = new SessionWorld()
  const end = await world.online()
  end.send({ type: 'gap', epoch: 'e', from: 1, to: 3, last_id: 'mark 3', reason: 'expired' })
  await world.run(() => end.all('ack').length === 1)
  assert.deepEqual(world.gaps, [{ from: 1, to: 3, reason: 'expired' }])
  assert.deepEqual(world.store.current.rx, { epoch: 'e', offset: 3, lastId: 'mark 3' })
  await world.stopped()
})

test('delays grow while it fails, and are short again after a connection that lasted', async () => {
  const world = new SessionWorld()
  world.session.start()
  for (let attempt = 1; attempt <= 4; attempt++) {
    ;(await world.next(attempt)).terminate()
    await world.run(() => world.session.status.attempts === attempt)
  }
  const end = await world.online()
  end.close(1001)
  await world.run(() => world.session.status.state === 'backing-off')
  assert.equal(world.session.status.attempts, 5)
  const lasting = await world.online()
  await world.clock.runFor(25_000)
  lasting.send({ type: 'ping' })
  await world.clock.runFor(6_000)
  lasting.close(1001)
  await world.run(() => world.session.status.state === 'backing-off')
  assert.equal(world.session.status.attempts, 1)
  await world.stopped()
})

const phases: readonly [string, (world: SessionWorld) => Promise<unknown>][] = [
  ['before it starts', async () => {}],
  [
    'while it gets its token',
    async (world) => {
      const { access } = world
      world.access = () =>
        new Promise((resolve) => world.clock.schedule(50, () => void access().then(resolve)))
      world.session.start()
    },
  ],
  [
    'while it connects',
    async (world) => {
      world.session.start()
      await world.clock.runFor(1)
    },
  ],
  [
    'while it waits for the greeting',
    async (world) => {
      world.session.start()
      await world.next()
    },
  ],
  ['while it waits for ready', (world) => world.asked()],
  ['while it is online', (world) => world.online()],
  [
    'while it waits for its next attempt',
    async (world) => {
      world.session.start()
      ;(await world.next()).terminate()
      await world.run(() => world.session.status.state === 'backing-off')
    },
  ],
]

for (const [when, reach] of phases) {
  test(`stopped ${when}, it leaves nothing behind`, async () => {
    const world = new SessionWorld()
    await reach(world)
    await world.stopped()
    assert.equal(world.session.status.state, 'stopped')
    world.session.start()
    await world.clock.runFor(60_000)
    assert.equal(world.session.status.state, 'stopped')
    assert.equal(world.ended, undefined)
  })
}
