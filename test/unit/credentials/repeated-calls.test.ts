import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toError } from '../../../src/errors.ts'
import { unreachable } from '../../../src/platform/http-error.ts'
import type { Http } from '../../../src/platform/http.ts'
import { SimulatedProcess } from '../../../src/testing/index.ts'
import { createScene, hasCode, hubUrl, refusal } from './fake-hub.ts'

const { key } = hubUrl

test('a refresh whose answer was lost is repeated with the same token, a login is not', async () => {
  const { clock, http, hub, start } = createScene()
  const lossy = (lost: string): { readonly http: Http } => {
    const client = http.clientFor(new SimulatedProcess())
    return {
      http: {
        request: async (address, request, options) => {
          const answered = await client.request(address, request, options)
          const path = request.path.replace('/api/v1', '')
          if (path !== lost || hub.calls.filter((call) => call === lost).length > 1) return answered
          throw unreachable(address, 'reset')
        },
      },
    }
  }
  const { credentials, file } = start(lossy('/auth/refresh'))
  await clock.settle(credentials.access())
  hub.calls.length = 0
  const { token } = await clock.settle(credentials.access({ fresh: true }))
  assert.deepEqual(hub.calls, ['/auth/refresh', '/auth/refresh'])
  assert.equal(hub.bodies.at(-1)?.['refresh_token'], hub.bodies.at(-2)?.['refresh_token'])
  assert.ok(hub.secrets.includes(token) && hub.secrets.includes(file.login(key)?.refresh_token ?? ''))

  hub.revokeAll()
  hub.calls.length = 0
  const next = start(lossy('/auth/login')).credentials
  await clock.settle(assert.rejects(next.access({ fresh: true }), hasCode('ERR_HUB_UNREACHABLE', true)))
  assert.equal(hub.calls.filter((call) => call === '/auth/login').length, 1)
})

test('calls are not repeated any more when too many have failed, and the error says so', async () => {
  const { clock, hub, start } = createScene()
  const { credentials } = start()
  hub.script = () => refusal(503)
  let message = ''
  for (let attempt = 0; attempt < 60; attempt++) {
    message = await clock.settle(
      credentials.access().then(String, (error: unknown) => toError(error).message),
    )
  }
  assert.equal(hub.calls.length, 60 + 100)
  assert.match(message, /retry budget is empty/)
})
