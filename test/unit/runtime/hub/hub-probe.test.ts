import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unreachable } from '../../../../src/platform/http-error.ts'
import type { Http } from '../../../../src/platform/http.ts'
import { createHubProbe } from '../../../../src/runtime/hub/hub-probe.ts'
import { hubAddress } from '../../../../src/session/hub-address.ts'
import { createSimulatedLog } from '../../../../src/testing/simulated-log.ts'
import { Trace } from '../../../../src/testing/trace.ts'

const address = hubAddress('http://hub')
const { signal } = new AbortController()

/** What a server answers to `/healthz`, and what it says it is; undefined where it gives no answer. */
async function probe(
  health: number | undefined,
  {
    hubId,
    answers = 'hub-1',
    isFirst = true,
  }: { readonly hubId?: string; readonly answers?: string | number; readonly isFirst?: boolean } = {},
) {
  const asked: string[] = []
  const logged: string[] = []
  const http: Http = {
    request: async (_address, { method, path, headers, body }) => {
      asked.push(`${method} ${path} ${Buffer.from(body).toString()}`.trim())
      assert.equal(headers['authorization'], undefined)
      if (health === undefined) throw unreachable(address.rest, 'timeout')
      if (path === '/healthz') return { status: health, headers: {}, body: Buffer.from('ok') }
      const isRefused = typeof answers === 'number'
      const said = JSON.stringify({ nonce: 'n', hub: answers })
      return { status: isRefused ? answers : 200, headers: {}, body: Buffer.from(said) }
    },
  }
  const log = createSimulatedLog(new Trace(), (event) => void logged.push(event))
  const works = await createHubProbe({ http, log, name: 'Ada', hubId: () => hubId })(address, signal, isFirst)
  return { works, asked, logged }
}

test('asks whether the hub is well, and who it is, and shows it nothing', async () => {
  const { works, asked, logged } = await probe(200, { hubId: 'hub-1' })
  assert.ok(works)
  assert.deepEqual(asked, ['GET /healthz', 'POST /api/v1/auth/challenge {"ai_name":"Ada"}'])
  assert.deepEqual(logged, [])
})

test('who it is is asked once', async () => {
  const { works, asked } = await probe(200, { hubId: 'hub-1', isFirst: false })
  assert.deepEqual([works, asked], [true, ['GET /healthz']])
})

test('a hub that is not well, or gives no answer, does not work', async () => {
  for (const health of [undefined, 500, 502, 503, 429, 301]) {
    const { works, asked } = await probe(health, { hubId: 'hub-1' })
    assert.deepEqual([works, asked.length], [false, 1], String(health))
  }
})

test('another hub does not work, loudly, and neither does what cannot say who it is', async () => {
  const other = await probe(200, { hubId: 'hub-1', answers: 'hub-2' })
  assert.deepEqual([other.works, other.logged], [false, ['hub:address:refused']])
  for (const answers of [404, 401, 503]) {
    assert.equal((await probe(200, { hubId: 'hub-1', answers })).works, false)
  }
})

test('an original server works when it answers: it has no such page, and no name', async () => {
  for (const health of [401, 404]) {
    const { works, asked } = await probe(health)
    assert.deepEqual([works, asked], [true, ['GET /healthz']])
  }
})
