import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AskedAddress } from '../../../src/credentials/hub-place.ts'
import type { HubCredentialsOptions } from '../../../src/credentials/hub-credentials.ts'
import { parseHttpUrl } from '../../../src/platform/http-json.ts'
import { answer, createScene, type Agent, FakeHub, hasCode, hubUrl, refusal } from './fake-hub.ts'

const [first, second] = [hubUrl, parseHttpUrl('http://second.test:8767')].map(
  ({ key, address }): AskedAddress => ({ key, rest: address }),
) as [AskedAddress, AskedAddress]
const elsewhere: AskedAddress = { key: 'http://third.test:8767', rest: { host: 'third.test', port: 8767 } }

/** Two addresses of one hub, and which of them is asked. */
function createBoth(list: readonly AskedAddress[] = [first, second]) {
  const scene = createScene()
  const asked: string[] = []
  const addresses = { list, current: list[0] as AskedAddress }
  for (const { rest } of [second, elsewhere]) {
    scene.http.serve(rest, (request) => {
      asked.push(`${'host' in rest ? rest.host : ''}${request.path.replace('/api/v1', '')}`)
      return at.get(rest)?.(request) ?? scene.hub.handle(request)
    })
  }
  const at = new Map<object, FakeHub['handle']>()
  return {
    ...scene,
    addresses,
    asked,
    /** Something else answers there. */
    replace: ({ rest }: AskedAddress, hub: FakeHub) => at.set(rest, (request) => hub.handle(request)),
    open: (options: Partial<HubCredentialsOptions> = {}): Agent =>
      scene.start({ hub: { addresses, pathPrefix: '' }, ...options }),
  }
}

function anotherHub(clock: ConstructorParameters<typeof FakeHub>[0], hubId = 'hub-2'): FakeHub {
  const hub = new FakeHub(clock)
  hub.script = (path) =>
    path === '/auth/challenge' ? answer(200, { success: true, nonce: 'n', hub: hubId }) : undefined
  return hub
}

test('has one place at all addresses of a hub, and takes its token along', async () => {
  const { clock, hub, addresses, asked, open } = createBoth()
  const { credentials, file } = open()
  const token = await clock.settle(credentials.access())
  credentials.recordGeneration(3)
  const risen = await clock.settle(credentials.access())
  assert.notEqual(risen.token, token.token)
  addresses.current = second
  hub.calls.length = 0
  assert.equal(await clock.settle(credentials.access()), risen)
  assert.deepEqual(asked, ['second.test/auth/prove'], 'who answers there is asked who it is, and no more')
  assert.equal(credentials.place, first.key)
  assert.equal(credentials.kept.generation, 3)
  assert.equal(file.place(second.key), first.key)
  asked.length = 0
  await clock.settle(credentials.access({ fresh: true }))
  assert.deepEqual(asked, ['second.test/auth/refresh'])
})

test('another hub at a further address gets neither signature nor token, and costs nothing', async () => {
  const { clock, hub, addresses, asked, replace, open } = createBoth()
  const other = anotherHub(clock)
  replace(second, other)
  const { credentials } = open()
  const token = await clock.settle(credentials.access())
  addresses.current = second
  for (const fresh of [false, true]) {
    const refused = assert.rejects(credentials.access({ fresh }), hasCode('ERR_HUB_IDENTITY', false))
    await clock.settle(refused)
  }
  const met = ['second.test/auth/prove', 'second.test/auth/challenge']
  assert.deepEqual(asked, [...met, ...met])
  const sent = other.bodies.map((body) => Object.keys(body))
  assert.deepEqual(sent, [['token', 'nonce'], ['ai_name'], ['token', 'nonce'], ['ai_name']])
  assert.doesNotMatch(JSON.stringify(other.bodies), /secret/)
  addresses.current = first
  hub.calls.length = 0
  assert.equal(await clock.settle(credentials.access()), token)
  assert.deepEqual(hub.calls, [], 'it was met there before')
})

test('a hub that is another one in its turn is not gone over to when the agent starts', async () => {
  const { clock, addresses, replace, open } = createBoth()
  const { credentials, process } = open()
  await clock.settle(credentials.access())
  process.kill('to be started again')
  replace(second, anotherHub(clock))
  const next = open().credentials
  addresses.current = second
  await clock.settle(assert.rejects(next.access(), hasCode('ERR_HUB_IDENTITY', false)))
  addresses.current = first
  await clock.settle(next.access())
  assert.equal(next.place, first.key)
})

test('what is no hub at a further address is asked again later, and is not taken for a plain server', async () => {
  const { clock, addresses, replace, open } = createBoth()
  const page = new FakeHub(clock)
  page.script = () => answer(404, '<html>no such page</html>')
  replace(second, page)
  const { credentials } = open()
  await clock.settle(credentials.access())
  addresses.current = second
  await clock.settle(assert.rejects(credentials.access(), hasCode('ERR_HUB_PROTOCOL', true)))
  page.script = () => refusal(503)
  await clock.settle(assert.rejects(credentials.access(), hasCode('ERR_HUB_UNREACHABLE', true)))
  assert.deepEqual(new Set(page.calls), new Set(['/auth/prove', '/auth/challenge']))
})

test('goes on with the place that any of the addresses has', async () => {
  const alone = createBoth([second])
  const met = alone.open()
  await alone.clock.settle(met.credentials.access())
  met.process.kill('to be started again')
  const both = { list: [first, second], current: first }
  const { credentials, file } = alone.open({ hub: { addresses: both, pathPrefix: '' } })
  await alone.clock.settle(credentials.access())
  assert.equal(credentials.place, second.key)
  assert.equal(file.place(first.key), second.key)
})

test('what the hub names for a while is the same hub or nothing, and is not kept', async () => {
  const { clock, addresses, asked, replace, open } = createBoth([first])
  const { credentials, file } = open()
  const token = await clock.settle(credentials.access())
  addresses.current = elsewhere
  assert.equal(await clock.settle(credentials.access()), token)
  assert.deepEqual(asked, ['third.test/auth/prove'])
  assert.equal(file.place(elsewhere.key), elsewhere.key)
  addresses.current = first
  await clock.settle(credentials.access())
  replace(elsewhere, anotherHub(clock))
  addresses.current = elsewhere
  await clock.settle(assert.rejects(credentials.access(), hasCode('ERR_HUB_IDENTITY', false)))
})

test('a hub that is trusted anew has the place of the first address, wherever it was met', async () => {
  const { clock, addresses, replace, open } = createBoth()
  const { credentials, process, file } = open()
  await clock.settle(credentials.access())
  assert.equal(file.hubId(first.key), 'hub-1')
  process.kill('to be started again')
  const anew = anotherHub(clock, 'hub-2')
  anew.script = (path) =>
    path === '/auth/challenge'
      ? answer(200, { success: true, nonce: 'n', hub: 'hub-2' })
      : path === '/auth/login'
        ? answer(200, { success: true, token: 't', refresh_token: 'r', expires_in: 600, ai_id: 1 })
        : undefined
  replace(second, anew)
  addresses.current = second
  const trusting = open({ trustNewHub: true })
  await clock.settle(trusting.credentials.access())
  assert.equal(trusting.credentials.place, first.key)
  assert.equal(trusting.file.hubId(first.key), 'hub-2')
  // The old one, should it come back at the first address, is the other one now.
  addresses.current = first
  await clock.settle(assert.rejects(trusting.credentials.access(), hasCode('ERR_HUB_IDENTITY', false)))
})

test('a request that is under way at one address goes nowhere else', async () => {
  const { clock, hub, addresses, asked, open } = createBoth()
  const { credentials } = open()
  await clock.settle(credentials.access())
  hub.script = (path) => (path === '/auth/refresh' ? new Promise(() => {}) : undefined)
  const atFirst = credentials.access({ fresh: true }).catch(() => 'too late')
  await clock.run(() => hub.calls.includes('/auth/refresh'), { withinMs: 1_000 })
  addresses.current = second
  const atSecond = credentials.access()
  await clock.settle(Promise.all([atFirst, atSecond]))
  assert.equal(asked[0], 'second.test/auth/prove')
})
