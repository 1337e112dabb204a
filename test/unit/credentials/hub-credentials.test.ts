import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import type { PerduraError } from '../../../src/errors.ts'
import type { HttpResponse } from '../../../src/platform/http.ts'
import { answer, createScene, credentialPath, hasCode, hubUrl, refusal, type Scene } from './fake-hub.ts'

const { key } = hubUrl

test('registers at its first start, logs in with its key, and refreshes after that', async () => {
  const { clock, hub, start } = createScene()
  const { credentials, file } = start()
  const access = await clock.settle(credentials.access())
  assert.deepEqual(hub.calls, [
    '/auth/challenge',
    '/auth/login',
    '/ai/register',
    '/auth/challenge',
    '/auth/login',
  ])
  assert.equal(hub.bodies[1]?.['generation'], 0)
  assert.equal(access.aiId, 7)
  assert.equal(access.name, 'Ada')
  assert.ok(hub.secrets.includes(access.token))
  assert.equal(file.aiId(key), 7)
  hub.calls.length = 0

  assert.equal((await clock.settle(credentials.access())).token, access.token)
  assert.deepEqual(hub.calls, [])
  const fresh = await clock.settle(credentials.access({ fresh: true }))
  assert.notEqual(fresh.token, access.token)
  await clock.runFor(fresh.refreshAtMs - clock.monotonicMs())
  assert.notEqual((await clock.settle(credentials.access())).token, fresh.token)
  const again = await clock.settle(start().credentials.access())
  assert.equal(again.aiId, 7)
  // The next process takes over what is there, from a hub that has shown who it is.
  assert.deepEqual(hub.calls, ['/auth/refresh', '/auth/refresh', '/auth/prove'])
})

test('logs in, and registers nothing, where its key is known', async () => {
  const { clock, hub, start } = createScene()
  const { credentials, file } = start()
  hub.profiles.set('Ada', { aiId: 3, publicKey: file.publicKey })
  assert.equal((await clock.settle(credentials.access())).aiId, 3)
  assert.deepEqual(hub.calls, ['/auth/challenge', '/auth/login'])
})

test('callers at the same time share one request', async () => {
  const { clock, hub, start } = createScene()
  const { credentials } = start()
  const tokens = await clock.settle(
    Promise.all(Array.from({ length: 20 }, (_, index) => credentials.access({ fresh: index % 2 === 0 }))),
  )
  assert.equal(new Set(tokens.map(({ token }) => token)).size, 1)
  assert.equal(hub.calls.length, 5)
})

test('a caller may stop waiting, and the others go on', async () => {
  const { clock, start } = createScene()
  const { credentials } = start()
  const abort = new AbortController()
  const impatient = assert.rejects(
    credentials.access({ signal: abort.signal }),
    hasCode('ERR_HUB_UNREACHABLE', true),
  )
  const patient = credentials.access()
  await clock.runFor(1)
  abort.abort()
  await clock.settle(impatient)
  await clock.settle(assert.rejects(credentials.access({ signal: abort.signal })))
  assert.equal((await clock.settle(patient)).aiId, 7)
})

test('replaces a token after 70 to 85 % of its life, spread', async () => {
  const parts: number[] = []
  const { clock, hub, start } = createScene()
  const { credentials } = start()
  for (let round = 0; round < 60; round += 1) {
    hub.expiresInS = 60 + round
    const { refreshAtMs, expiresAtMs } = await clock.settle(credentials.access({ fresh: true }))
    const lifeMs = hub.expiresInS * 1_000
    assert.ok(expiresAtMs <= clock.monotonicMs() + lifeMs)
    parts.push((refreshAtMs - (expiresAtMs - lifeMs)) / lifeMs)
  }
  assert.ok(parts.every((part) => part >= 0.7 && part < 0.85))
  assert.ok(Math.max(...parts) - Math.min(...parts) > 0.1)
})

test('logs in when its refresh token is refused, and asks with it no more', async () => {
  const { clock, hub, logged, start } = createScene()
  const { credentials, file } = start()
  await clock.settle(credentials.access())
  hub.revokeAll()
  hub.calls.length = 0
  const old = file.login(key)?.refresh_token
  hub.script = (path) => (path === '/auth/login' ? refusal(503) : undefined)
  await clock.settle(
    assert.rejects(credentials.access({ fresh: true }), hasCode('ERR_HUB_UNREACHABLE', true)),
  )
  assert.equal(file.login(key)?.refresh_token, old)
  hub.script = () => undefined
  await clock.settle(credentials.access({ fresh: true }))
  assert.notEqual(file.login(key)?.refresh_token, old)
  assert.deepEqual(hub.calls, [
    '/auth/refresh',
    '/auth/challenge',
    '/auth/login',
    '/auth/challenge',
    '/auth/login',
  ])
  assert.ok(
    logged.some(({ event, code }) => event === 'credentials:refresh:refused' && code === 'ERR_TOKEN_REVOKED'),
  )
})

test('gets another token when the hub refuses the one it has, and only for that one', async () => {
  const { clock, hub, start } = createScene()
  const { credentials } = start()
  const first = await clock.settle(credentials.access())
  credentials.invalidate(first.token)
  const second = await clock.settle(credentials.access())
  assert.notEqual(second.token, first.token)
  credentials.invalidate(first.token)
  assert.equal((await clock.settle(credentials.access())).token, second.token)
  assert.equal(hub.calls.filter((path) => path === '/auth/refresh').length, 1)
})

test('where the hub went away, whoever answers next has to show who it is before it gets the token that is there', async () => {
  const { clock, hub, start } = createScene()
  const { credentials } = start()
  const access = await clock.settle(credentials.access())
  hub.calls.length = 0
  credentials.doubt()
  assert.equal((await clock.settle(credentials.access())).token, access.token)
  await clock.settle(credentials.access())
  assert.deepEqual(hub.calls, ['/auth/prove'])
  // Another program has its port.
  credentials.doubt()
  for (const impostor of [refusal(401, 'ERR_TOKEN'), answer(404, 'no'), answer(503, 'no')]) {
    hub.script = () => impostor
    await clock.settle(assert.rejects(credentials.access()))
  }
  hub.script = () => undefined
  assert.equal((await clock.settle(credentials.access())).token, access.token)
})

test('logs in anew under a generation that has risen, and not before', async () => {
  const { clock, hub, start } = createScene()
  const { credentials } = start()
  await clock.settle(credentials.access())
  hub.calls.length = 0
  credentials.recordGeneration(4)
  await clock.settle(credentials.access())
  assert.deepEqual(hub.calls, ['/auth/challenge', '/auth/login'])
  assert.equal(hub.bodies.at(-1)?.['generation'], 4)
  await clock.settle(credentials.access())
  const next = start()
  await clock.settle(next.credentials.access())
  assert.deepEqual(hub.calls.slice(2), ['/auth/prove'])
  next.credentials.recordGeneration(5)
  await clock.settle(start().credentials.access())
  assert.deepEqual(hub.calls.slice(3), ['/auth/prove', '/auth/challenge', '/auth/login'])
})

test('a name that another key is registered under is the end', async () => {
  const { clock, hub, start } = createScene()
  hub.profiles.set('Ada', { aiId: 3, publicKey: start().file.publicKey.replace(/^./, 'A') })
  const { credentials, file } = start()
  hub.script = (path) => (path === '/auth/login' ? refusal(401, 'ERR_CREDENTIALS') : undefined)
  await clock.settle(assert.rejects(credentials.access(), hasCode('ERR_NAME_TAKEN', false)))
  assert.deepEqual(hub.calls, ['/auth/challenge', '/auth/login', '/ai/register'])
  assert.equal(file.aiId(key), undefined)
})

test('a challenge that ran out on the way is asked for again', async () => {
  const { clock, hub, start } = createScene()
  const { credentials, file } = start()
  hub.profiles.set('Ada', { aiId: 3, publicKey: file.publicKey })
  let refusals = 0
  hub.script = (path) => {
    if (path !== '/auth/login' || refusals > 0) return undefined
    refusals += 1
    return refusal(401, 'ERR_CREDENTIALS')
  }
  assert.equal((await clock.settle(credentials.access())).aiId, 3)
})

test('stops for what only a person can change, and for nothing else', async () => {
  const cases: [HttpResponse, string, boolean][] = [
    [refusal(403, 'ERR_PROFILE_INACTIVE'), 'ERR_PROFILE_INACTIVE', false],
    [refusal(403, 'ERR_OPEN_LOGIN'), 'ERR_OPEN_LOGIN', false],
    [answer(403, { code: 'ERR_PROFILE_INACTIVE' }), 'ERR_HUB_PROTOCOL', true],
    [answer(403, '<h1>no</h1>'), 'ERR_HUB_PROTOCOL', true],
    [refusal(400, 'ERR_REQUEST_INVALID'), 'ERR_HUB_PROTOCOL', true],
    [refusal(500), 'ERR_HUB_UNREACHABLE', true],
    [refusal(503, 'ERR_HUB_STORAGE'), 'ERR_HUB_UNREACHABLE', true],
    [refusal(408), 'ERR_HUB_UNREACHABLE', true],
    [refusal(429, 'ERR_RATE_LIMIT'), 'ERR_RATE_LIMIT', true],
    [answer(302, ''), 'ERR_HUB_PROTOCOL', true],
    [answer(200, 'null'), 'ERR_HUB_PROTOCOL', true],
    [answer(200, { token: '', refresh_token: 'x', expires_in: 600 }), 'ERR_HUB_PROTOCOL', true],
    [answer(200, { token: 'x', refresh_token: 'x', expires_in: 0 }), 'ERR_HUB_PROTOCOL', true],
    [
      answer(200, { token: 'x', refresh_token: 'x', expires_in: 600, ai_id: 'seven' }),
      'ERR_HUB_PROTOCOL',
      true,
    ],
    [answer(200, { token: 'x', refresh_token: 'x', expires_in: 600 }), 'ERR_HUB_PROTOCOL', true],
  ]
  for (const [response, code, retryable] of cases) {
    const { clock, hub, start } = createScene()
    const { credentials } = start()
    hub.script = (path) => (path === '/auth/login' ? response : undefined)
    await clock.settle(assert.rejects(credentials.access(), hasCode(code, retryable)))
    hub.script = () => undefined
    assert.equal((await clock.settle(credentials.access())).aiId, 7)
  }
})

test('says how long to wait when it asks too often', async () => {
  const { clock, hub, start } = createScene()
  const { credentials } = start()
  const ask = () =>
    clock.settle(
      credentials.access().then(
        () => assert.fail(),
        (error: unknown) => (error as PerduraError).details,
      ),
    )
  hub.script = () => answer(429, { success: false, error: 'Rate limit exceeded', retry_after: 17 })
  assert.deepEqual(await ask(), { hub: 'hub.test:8767', retry_after: 17 })
  hub.script = () => ({ ...refusal(429), headers: { 'retry-after': '5' } })
  assert.deepEqual(await ask(), { hub: 'hub.test:8767', retry_after: 5 })
})

/** What is on disk, but for the note that the refresh token was shown. */
function keptIn({ start }: Scene): object {
  const { file } = start()
  const { asked: _, ...login } = file.login(key) ?? {}
  return { login, generation: file.generation(key), publicKey: file.publicKey }
}

/** What may befall one call. */
const outages: Record<string, (scene: Scene, path: string) => void> = {
  'a failing server': ({ hub }, path) => {
    hub.script = (called) => (called === path ? refusal(500) : undefined)
  },
  'a proxy in the way': ({ hub }, path) => {
    hub.script = (called) => (called === path ? answer(502, '<h1>Bad gateway</h1>') : undefined)
  },
  'an answer that is lost': ({ hub, http }, path) => {
    hub.script = (called, body) => {
      if (called !== path) return undefined
      // Done, and nobody hears of it.
      const done = hub.answer(called, body)
      http.faults = { responseLoss: 1 }
      return done
    }
  },
  'an answer that cannot be read': ({ hub }, path) => {
    hub.script = (called) => (called === path ? answer(200, '{"token":') : undefined)
  },
}

for (const [outage, begin] of Object.entries(outages)) {
  for (const path of ['/auth/refresh', '/auth/challenge', '/auth/login', '/ai/register']) {
    test(`${outage} at ${path} costs no credentials`, async () => {
      const scene = createScene(`${outage}${path}`)
      const { clock, http, hub, start } = scene
      const { credentials, file } = start({ requestTimeoutMs: 1_000 })
      if (path !== '/ai/register') await clock.settle(credentials.access())
      if (path === '/auth/challenge' || path === '/auth/login') hub.revokeAll()
      const kept = keptIn(scene)
      begin(scene, path)
      await clock.settle(
        assert.rejects(credentials.access({ fresh: true }), (error) =>
          hasCode(outage.endsWith('read') ? 'ERR_HUB_PROTOCOL' : 'ERR_HUB_UNREACHABLE', true)(error),
        ),
      )
      assert.deepEqual(keptIn(scene), kept)
      hub.script = () => undefined
      http.faults = {}
      const { publicKey } = file
      assert.equal((await clock.settle(credentials.access({ fresh: true }))).aiId, 7)
      assert.equal((await clock.settle(start().credentials.access())).aiId, 7)
      assert.equal(start().file.publicKey, publicKey)
    })
  }
}

test('a token that is due serves to its end while no other can be got, and the hub is asked ever again', async () => {
  const { clock, hub, start } = createScene()
  const { credentials } = start()
  const first = await clock.settle(credentials.access())
  hub.calls.length = 0
  hub.script = () => refusal(503)
  await clock.runFor(first.refreshAtMs - clock.monotonicMs())
  while (clock.monotonicMs() < first.expiresAtMs - 1_500) {
    assert.equal((await clock.settle(credentials.access())).token, first.token)
    await clock.runFor(100)
  }
  // Each time up to three attempts are made.
  assert.ok(hub.calls.length > 15 && hub.calls.length < 60, `asked ${hub.calls.length} times`)
  await clock.runFor(2_000)
  await clock.settle(assert.rejects(credentials.access(), hasCode('ERR_HUB_UNREACHABLE', true)))
  hub.script = () => undefined
  assert.notEqual((await clock.settle(credentials.access())).token, first.token)
})

test('a full disk hands out no token that would be forgotten', async () => {
  const { clock, disk, hub, start } = createScene()
  const { credentials, file } = start()
  await clock.settle(credentials.access())
  const before = file.login(key)?.refresh_token
  disk.capacityBytes = 0
  await clock.settle(assert.rejects(credentials.access({ fresh: true }), hasCode('ERR_STORE_WRITE', true)))
  assert.equal(file.login(key)?.refresh_token, before)
  disk.capacityBytes = 1_000_000
  hub.calls.length = 0
  await clock.settle(credentials.access({ fresh: true }))
  assert.deepEqual(hub.calls, ['/auth/refresh'])
})

test('writes nothing after it was closed', async () => {
  const { clock, disk, hub, start } = createScene()
  const { credentials } = start()
  await clock.settle(credentials.access())
  hub.calls.length = 0
  const waiting = assert.rejects(credentials.access({ fresh: true }), hasCode('ERR_STORE_CLOSED', true))
  await clock.run(() => hub.calls.length > 0)
  const kept = disk.content(credentialPath)
  await clock.settle(credentials.close())
  await clock.settle(waiting)
  await clock.settle(assert.rejects(credentials.access(), hasCode('ERR_STORE_CLOSED', true)))
  await clock.runUntilQuiet()
  assert.deepEqual(disk.content(credentialPath), kept)
})

test('takes no answer that comes as it is being closed', async () => {
  const scene = createScene()
  const { clock, http, start } = scene
  let answered = (): void => {}
  const { credentials, process } = start({
    http: {
      async request(...request) {
        const response = await http.clientFor(process).request(...request)
        answered()
        return response
      },
    },
  })
  await clock.settle(credentials.access())
  const kept = keptIn(scene)
  answered = () => void credentials.close()
  await clock.settle(assert.rejects(credentials.access({ fresh: true }), hasCode('ERR_STORE_CLOSED', true)))
  assert.deepEqual(keptIn(scene), kept)
})

test('no secret is logged, told in an error, or shown', async () => {
  const { clock, hub, logged, start } = createScene()
  const { credentials } = start()
  const seen: unknown[] = [credentials, logged]
  const look = async (): Promise<void> => {
    seen.push(await clock.settle(credentials.access({ fresh: true }).catch((error: unknown) => error)))
  }
  await look()
  hub.script = (path, body) =>
    // A hub that repeats what it was sent.
    path === '/auth/refresh'
      ? answer(400, { success: false, error: JSON.stringify(body), code: JSON.stringify(body) })
      : undefined
  await look()
  hub.script = (_path, body) =>
    answer(403, { success: false, error: JSON.stringify(body), code: 'ERR_PROFILE_INACTIVE' })
  await look()
  hub.script = (_path, body) => answer(200, { token: 1, refresh_token: 'refresh-secret-x', body })
  await look()
  hub.script = (path) => {
    if (path !== '/auth/challenge') return undefined
    return answer(200, { nonce: 'a:nonce-secret-b', hub: 'hub-1' })
  }
  hub.revokeAll()
  await look()
  assert.equal(seen.length, 7)
  const shown = seen
    .map((value) => inspect(value, { depth: 9, showHidden: true }) + JSON.stringify(value))
    .join('\n')
  assert.match(shown, /credentials:login:done/)
  assert.doesNotMatch(shown, /-secret-/)
})
