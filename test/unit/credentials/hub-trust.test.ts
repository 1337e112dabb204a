import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answer, createScene, hasCode, refusal } from './fake-hub.ts'

test('who has taken over the address of a hub, and does not know its tokens, is sent none', async () => {
  const { clock, hub, logged, start } = createScene()
  const first = start()
  await clock.settle(first.credentials.access())
  first.process.kill('to be started again')
  hub.bodies.length = 0
  hub.calls.length = 0
  const impostures = [
    answer(200, { success: true, hub: 'hub-1', proof: 'invented' }),
    answer(200, { success: true, hub: 'hub-1', proof: '' }),
    refusal(401, 'ERR_TOKEN'),
    refusal(404, 'ERR_NO_SUCH_ROUTE'),
    answer(404, '<h1>Not found</h1>'),
  ]
  for (const imposture of impostures) {
    hub.script = (path) =>
      path === '/auth/prove' ? imposture : path === '/auth/challenge' ? refusal(404) : undefined
    await clock.settle(assert.rejects(start().credentials.access(), hasCode('ERR_HUB_PROTOCOL', true)))
  }
  assert.deepEqual(new Set(hub.calls), new Set(['/auth/prove', '/auth/challenge']))
  assert.doesNotMatch(JSON.stringify(hub.bodies), /-secret-/)
  assert.ok(logged.some(({ event }) => event === 'credentials:hub:unproven'))
  // The hub itself, back again.
  hub.script = () => undefined
  assert.equal((await clock.settle(start().credentials.access())).aiId, 7)
})

test('the hub shows anew who it is once it was not reached', async () => {
  const { clock, hub, start } = createScene()
  const { credentials } = start({ requestTimeoutMs: 1_000 })
  await clock.settle(credentials.access())
  hub.script = () => refusal(503)
  await clock.settle(assert.rejects(credentials.access({ fresh: true })))
  hub.script = () => undefined
  hub.calls.length = 0
  await clock.settle(credentials.access({ fresh: true }))
  assert.deepEqual(hub.calls, ['/auth/prove', '/auth/refresh'])
  await clock.settle(credentials.access({ fresh: true }).catch(() => undefined))
})

test('its owner is told once of each login that was ended for a stolen token', async () => {
  const { clock, hub, logged, start } = createScene()
  const heard: unknown[] = []
  const listen = () => {
    const { credentials } = start()
    credentials.onCompromised((compromise) => heard.push(compromise))
    return credentials
  }
  await clock.settle(listen().access())
  const tell = (...logins: string[]): void => {
    hub.revokeAll()
    hub.script = (path, body) => {
      if (path !== '/auth/login') return undefined
      const { body: bytes } = hub.answer(path, body)
      const grant = JSON.parse(Buffer.from(bytes).toString()) as Record<string, string>
      return answer(200, { ...grant, replayed: logins.map((login) => ({ login, ago_s: 90 })) })
    }
  }
  tell('one')
  await clock.settle(listen().access({ fresh: true }))
  await clock.settle(listen().access({ fresh: true }))
  tell('two', 'one')
  await clock.settle(listen().access({ fresh: true }))
  assert.deepEqual(heard, [
    { logins: 1, agoMs: 90_000 },
    { logins: 1, agoMs: 90_000 },
  ])
  assert.equal(logged.filter(({ event }) => event === 'session:credentials:compromised').length, 2)
})
