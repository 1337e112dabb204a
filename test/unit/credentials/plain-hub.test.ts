import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answer, createScene, hasCode, hubUrl, refusal } from './fake-hub.ts'

const { key } = hubUrl

function createPlainScene(): ReturnType<typeof createScene> {
  const scene = createScene()
  scene.hub.plain = true
  scene.hub.expiresInS = 3_600
  return scene
}

test('logs in by name at an original server, and remembers that it is one', async () => {
  const { clock, hub, start } = createPlainScene()
  const { credentials, file } = start()
  const access = await clock.settle(credentials.access())
  assert.equal(access.aiId, 7)
  assert.deepEqual(hub.calls, ['/auth/challenge', '/auth/login'])
  const { ai_name: name, ai_nickname: nickname, ai_id: id } = hub.bodies[1] as Record<string, unknown>
  assert.deepEqual({ name, nickname, id }, { name: 'Ada', nickname: 'Ada', id: 0 })
  hub.revokeAll()
  await clock.settle(credentials.access({ fresh: true }))
  assert.deepEqual(hub.calls.slice(2), ['/auth/refresh', '/auth/login'])
  assert.equal(hub.bodies.at(-1)?.['ai_id'], 7)
  await clock.settle(start().credentials.access())
  assert.deepEqual(hub.calls.slice(4), [])
  await clock.settle(start().credentials.access({ fresh: true }))
  assert.deepEqual(hub.calls.slice(4), ['/auth/refresh'])
  assert.deepEqual(Object.keys(hub.bodies.at(-1) ?? {}), ['refresh_token'])
  assert.equal(file.generation(key), 0)
})

test('takes a 401 to a challenge for an original server too', async () => {
  const { clock, hub, start } = createPlainScene()
  hub.script = (path) => (path === '/auth/challenge' ? refusal(401) : undefined)
  assert.equal((await clock.settle(start().credentials.access())).aiId, 7)
})

test('starts anew where the database of an original server is another one', async () => {
  const { clock, hub, start } = createPlainScene()
  const { credentials } = start()
  await clock.settle(credentials.access())
  hub.revokeAll()
  hub.profiles.clear()
  hub.profiles.set('Bob', { aiId: 9, publicKey: '' })
  const { aiId } = await clock.settle(credentials.access({ fresh: true }))
  assert.equal(aiId, 8)
  assert.deepEqual(
    hub.bodies.slice(-2).map((body) => body['ai_id']),
    [7, 0],
  )
})

test('an outage of its database costs nothing', async () => {
  const { clock, hub, start } = createPlainScene()
  const { credentials, file } = start()
  const first = await clock.settle(credentials.access())
  const refreshToken = file.login(key)?.refresh_token
  hub.script = (path) =>
    path === '/auth/login' ? answer(500, { success: false, error: 'Login failed' }) : refusal(401)
  credentials.invalidate(first.token)
  await clock.settle(assert.rejects(credentials.access(), hasCode('ERR_HUB_UNREACHABLE', true)))
  assert.equal(file.login(key)?.refresh_token, refreshToken)
  assert.equal(file.aiId(key), 7)
  hub.script = () => undefined
  assert.equal((await clock.settle(credentials.access())).aiId, 7)
})

test('an agent that is switched off there is told so', async () => {
  const { clock, hub, start } = createPlainScene()
  hub.script = (path) => (path === '/auth/login' ? refusal(403) : undefined)
  await clock.settle(assert.rejects(start().credentials.access(), hasCode('ERR_PROFILE_INACTIVE', false)))
})

test('does not log in by name where that was not allowed', async () => {
  const { clock, hub, start } = createPlainScene()
  const { credentials } = start({ openLoginFallback: false })
  await clock.settle(assert.rejects(credentials.access(), hasCode('ERR_HUB_PROTOCOL', true)))
  assert.deepEqual(hub.calls, ['/auth/challenge'])
})

test('uses its key once the server has become one that knows keys', async () => {
  const { clock, hub, start } = createPlainScene()
  const { credentials } = start()
  await clock.settle(credentials.access())
  hub.revokeAll()
  hub.profiles.clear()
  hub.plain = false
  hub.script = (path, body) => {
    return path === '/auth/login' && body['nonce'] === undefined ? refusal(403, 'ERR_OPEN_LOGIN') : undefined
  }
  await clock.settle(assert.rejects(credentials.access({ fresh: true }), hasCode('ERR_HUB_PROTOCOL', true)))
  assert.equal((await clock.settle(credentials.access({ fresh: true }))).aiId, 7)
  assert.equal(hub.calls.at(-1), '/auth/login')
})

test('a proxy that knows no path is not taken for an original server', async () => {
  const { clock, hub, start } = createScene()
  const { credentials } = start()
  await clock.settle(credentials.access())
  hub.script = () => answer(404, '<h1>Not found</h1>')
  await clock.settle(assert.rejects(credentials.access({ fresh: true }), hasCode('ERR_HUB_PROTOCOL', true)))
  hub.script = () => undefined
  hub.calls.length = 0
  await clock.settle(credentials.access({ fresh: true }))
  assert.deepEqual(hub.calls, ['/auth/refresh'])
})
