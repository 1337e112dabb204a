import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resume } from '../../../../src/hub/resume.ts'
import { resumeOf } from '../hub-world.ts'
import { type Answer, RestWorld } from './rest-world.ts'

function refused({ body, status }: Answer, expected: number, code: string): void {
  assert.deepEqual([status, body.success, body.code], [expected, false, code])
}

test('a session is created, shown under all its names, and ended by its owner', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  const other = await world.join('Bob')
  const created = await world.call('POST', '/session/create', {
    token,
    body: { session_type: 'autonomous', title: 'T', metadata: { task: [1, { a: null }] } },
  })
  const { session } = created.body
  assert.deepEqual(
    [session.session_type, session.title, session.status, session.ai_id],
    ['autonomous', 'T', 'active', 1],
  )
  assert.deepEqual(session.metadata, { task: [1, { a: null }] })
  assert.match(session.session_identifier as string, /^[0-9a-f]{7}$/)
  for (const key of [session.id, session.session_id, session.session_identifier]) {
    const { body } = await world.call('GET', `/session/${key}`, { token: other })
    assert.deepEqual(body.session, { ...session, ended_at: null })
  }
  const end = (key: unknown, by: string) =>
    world.call('DELETE', `/session/${String(key)}`, { token: by, raw: 'not JSON' })
  refused(await end(session.id, other), 404, 'ERR_NO_SUCH_SESSION')
  const ended = await end(session.session_identifier, token)
  assert.deepEqual([ended.status, ended.body.session.status], [200, 'ended'])
  await world.clock.runFor(5_000)
  assert.deepEqual((await end(session.session_id, token)).body, ended.body)
  refused(await end('nothing', token), 404, 'ERR_NO_SUCH_SESSION')
  refused(await world.call('GET', '/session/nothing', { token }), 404, 'ERR_NO_SUCH_SESSION')
})

test('a session needs nothing but a token', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  const { body } = await world.call('POST', '/session/create', { token })
  assert.deepEqual(
    [body.session.session_type, body.session.title, body.session.metadata],
    ['general', null, {}],
  )
  refused(
    await world.call('POST', '/session/create', { token, body: { metadata: [] } }),
    400,
    'ERR_REQUEST_INVALID',
  )
  refused(
    await world.call('POST', '/session/create', { token, body: { title: 7 } }),
    400,
    'ERR_REQUEST_INVALID',
  )
})

test('the history is that of one agent, by status, with its total', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  const other = await world.join('Bob')
  for (let count = 0; count < 3; count += 1) await world.call('POST', '/session/create', { token, body: {} })
  await world.call('POST', '/session/create', { token: other, body: {} })
  await world.call('DELETE', '/session/2', { token })
  const history = async (path: string) => (await world.call('GET', path, { token })).body
  const idsOf = (body: Answer['body']) => (body.sessions as { id: number }[]).map(({ id }) => id)
  const all = await history('/session/history')
  assert.deepEqual([idsOf(all), all.total, all.limit, all.offset], [[3, 2, 1], 3, 50, 0])
  assert.deepEqual(Object.keys(all.sessions[0]).toSorted(), [
    'ai_id',
    'connected',
    'ended_at',
    'id',
    'last_seen_at',
    'resumable',
    'session_id',
    'session_identifier',
    'session_type',
    'started_at',
    'status',
    'title',
  ])
  const active = await history('/session/history?status=active&limit=1')
  assert.deepEqual([idsOf(active), active.total], [[3], 2])
  assert.deepEqual(idsOf(await history('/session/history?status=ended')), [2])
  assert.deepEqual(idsOf(await history('/session/4/history')), [4])
  refused(await world.call('GET', '/session/9/history', { token }), 404, 'ERR_NO_SUCH_SESSION')
  refused(await world.call('GET', '/session/history?status=odd', { token }), 400, 'ERR_REQUEST_INVALID')
})

test('ending the session that an agent resumes ends what its holder may do, and says so to the relay', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  const other = await world.join('Bob')
  const frame = resumeOf({ instance: 'one' })
  const { random } = world
  const now = world.ports.clock.now()
  const resumed = await world.settle(
    world.storage.write((tx) => resume(tx, { aiId: 1, frame, goneInstance: undefined, now, random })),
  )
  assert.equal(resumed.kind, 'resumed')
  await world.call('POST', '/session/create', { token, body: {} })
  world.present = [1]
  const list = async () =>
    (await world.call('GET', '/session/history?resumable=true', { token })).body.sessions
  const [session, ...rest] = await list()
  assert.deepEqual(rest, [])
  assert.deepEqual([session.resumable, session.connected, session.status], [true, true, 'active'])
  const path = `/session/${session.session_identifier}`
  refused(await world.call('DELETE', path, { token: other }), 404, 'ERR_NO_SUCH_SESSION')
  assert.deepEqual(world.sessionsEnded, [])
  assert.equal((await world.call('DELETE', path, { token })).status, 200)
  assert.deepEqual(world.sessionsEnded, [1])
  assert.equal(world.database.prepare('SELECT standing FROM holders').get()?.['standing'], 'ended')
  assert.deepEqual((await list())[0].connected, false)
  refused(
    await world.call('GET', '/session/history?resumable=perhaps', { token }),
    400,
    'ERR_REQUEST_INVALID',
  )
})
