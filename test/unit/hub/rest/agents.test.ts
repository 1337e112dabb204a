import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, RestWorld, secret } from './rest-world.ts'

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

function refused({ body, status }: Answer, expected: number, code: string): void {
  assert.deepEqual([status, body.success, body.code], [expected, false, code])
}

const namesOf = (agents: { name: string }[]) => agents.map(({ name }) => name)

test('a profile is shown to any agent', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  await world.join('Bob')
  const { body } = await world.call('GET', '/ai/2', { token })
  assert.match(body.ai.created_at as string, iso)
  assert.match(body.ai.updated_at as string, iso)
  assert.deepEqual(
    { ...body.ai, created_at: '', updated_at: '' },
    {
      id: 2,
      name: 'Bob',
      nickname: 'Bob',
      expertise: '',
      version: '1.0.0',
      project: 'default',
      created_at: '',
      updated_at: '',
      is_active: true,
      is_connected: false,
      offline_since: null,
      offline_reason: null,
    },
  )
  refused(await world.call('GET', '/ai/3', { token }), 404, 'ERR_NO_SUCH_PROFILE')
  for (const id of ['x', '0', '-1', '1.5', '9'.repeat(30), '%00']) {
    refused(await world.call('GET', `/ai/${id}`, { token }), 400, 'ERR_REQUEST_INVALID')
  }
})

test('an agent changes its own profile', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  await world.join('Bob')
  await world.clock.runFor(5_000)
  const update = (id: number, body: object) => world.call('PUT', `/ai/${id}`, { token, body })
  const { body } = await update(1, { ai_nickname: 'Countess', expertise: '', version: '2' })
  const { updated_at, ...rest } = body.ai
  assert.equal(updated_at, new Date(world.clock.now()).toISOString())
  assert.deepEqual(rest, {
    id: 1,
    name: 'Ada',
    nickname: 'Countess',
    expertise: '',
    version: '2',
    project: 'default',
  })
  refused(await update(2, { expertise: 'x' }), 403, 'ERR_NOT_YOURS')
  refused(await update(9, { expertise: 'x' }), 403, 'ERR_NOT_YOURS')
  refused(await update(1, { name: 'Eve' }), 400, 'ERR_REQUEST_INVALID')
  refused(await update(1, { ai_nickname: '' }), 400, 'ERR_REQUEST_INVALID')
  refused(await update(1, { expertise: 7 }), 400, 'ERR_REQUEST_INVALID')
})

test('the list is filtered, and its total is that of the filter', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  for (const [name, expertise] of [
    ['Bob', 'Law, 100% sure'],
    ['Cem', 'law'],
    ['Dai', 'Music'],
  ]) {
    await world.call('POST', '/ai/register', { body: { name, expertise, ai_secret: secret } })
  }
  world.database.exec(`UPDATE profiles SET is_active = 0 WHERE name = 'Cem'`)
  const list = async (query: string) => (await world.call('GET', `/ai/list${query}`, { token })).body
  const all = await list('')
  assert.deepEqual(namesOf(all.ais), ['Dai', 'Cem', 'Bob', 'Ada'])
  assert.deepEqual([all.total, all.limit, all.offset], [4, 50, 0])
  assert.equal(all.ais[1].is_active, false)
  assert.equal('updated_at' in all.ais[0], false)
  const laws = await list('?expertise=LAW')
  assert.deepEqual([namesOf(laws.ais), laws.total], [['Cem', 'Bob'], 2])
  assert.deepEqual(namesOf((await list('?expertise=%25')).ais), ['Bob'])
  assert.deepEqual(namesOf((await list('?expertise=_')).ais), [])
  assert.deepEqual(namesOf((await list('?is_active=false')).ais), ['Cem'])
  assert.equal((await list('?is_active=true')).total, 3)
  const page = await list('?limit=2&offset=1')
  assert.deepEqual([namesOf(page.ais), page.total], [['Cem', 'Bob'], 4])
})

test('queries out of bounds are refused by name', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  for (const [query, field] of [
    ['limit=0', 'limit'],
    ['limit=501', 'limit'],
    ['limit=-1', 'limit'],
    ['limit=ten', 'limit'],
    ['limit=1e2', 'limit'],
    ['offset=-1', 'offset'],
    ['offset=99999999999999999999', 'offset'],
    ['is_active=maybe', 'is_active'],
    ['expertise=%00', 'expertise'],
    [`expertise=${'x'.repeat(1_001)}`, 'expertise'],
  ]) {
    const answer = await world.call('GET', `/ai/list?${query}`, { token })
    refused(answer, 400, 'ERR_REQUEST_INVALID')
    assert.equal(answer.body.details.field, field)
  }
})

test('who was heard of lately is online', async () => {
  const world = await RestWorld.start()
  await world.join('Ada')
  await world.clock.runFor(6 * 60_000)
  const token = await world.join('Bob')
  const created = await world.call('POST', '/session/create', { token, body: {} })
  const { body } = await world.call('GET', '/ai/online', { token })
  assert.deepEqual(body, {
    success: true,
    online_ais: [
      {
        ai_id: 2,
        name: 'Bob',
        nickname: 'Bob',
        project: 'default',
        session_identifier: created.body.session.session_identifier,
        last_activity: new Date(world.clock.now()).toISOString(),
        current_task: null,
        is_sleeping: false,
      },
    ],
    count: 1,
    minutes: 5,
  })
  assert.match(String(body.online_ais[0]?.last_activity), iso)
  assert.equal((await world.call('GET', '/ai/online?minutes=10', { token })).body.count, 2)
  // Whoever has a connection is, whenever it logged in.
  await world.clock.runFor(3_000_000)
  assert.equal((await world.call('GET', '/ai/online', { token })).body.count, 0)
  world.present = [2]
  const connected = await world.call('GET', '/ai/online', { token })
  assert.deepEqual([connected.body.count, connected.body.online_ais[0]?.ai_id], [1, 2])
  refused(await world.call('GET', '/ai/online?minutes=0', { token }), 400, 'ERR_REQUEST_INVALID')
})

test('who is online is asked with the same statements however many are connected, and at most 500 are told', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  const add = world.database.prepare(
    `INSERT INTO profiles (name, nickname, expertise, version, project, credential_kind, is_active, created_at,
       updated_at, seen_at) VALUES (?, 'n', '', '1', 'p', 'none', 1, 0, 0, 0)`,
  )
  for (let n = 0; n < 600; n++) add.run(`agent ${n}`)
  const statements = new Set<string>()
  const prepare = world.database.prepare.bind(world.database)
  world.database.prepare = (sql) => {
    statements.add(sql)
    return prepare(sql)
  }
  const ask = async () => (await world.call('GET', '/ai/online', { token })).body
  world.present = [1, 5, 7]
  const few = await ask()
  assert.deepEqual(
    few.online_ais.map((ai: { ai_id: number }) => ai.ai_id),
    [1, 5, 7],
  )
  const before = statements.size
  world.present = Array.from({ length: 600 }, (_, n) => n + 1)
  assert.equal((await ask()).count, 500)
  assert.equal(statements.size, before)
})

test('presence shows who sleeps', async () => {
  const world = await RestWorld.start()
  const token = await world.join('Ada')
  await world.join('Bo')
  world.present = [1, 2]
  world.asleep = [2]
  const { body } = await world.call('GET', '/ai/online', { token })
  const sleeping = body.online_ais.map((row: Answer['body']) => [row.name, row.is_sleeping])
  assert.deepEqual(sleeping.toSorted(), [
    ['Ada', false],
    ['Bo', true],
  ])
})
