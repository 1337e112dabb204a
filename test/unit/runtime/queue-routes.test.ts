import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../../../src/json.ts'
import type { Log } from '../../../src/platform/log.ts'
import { createRoutes } from '../../../src/runtime/control.ts'
import { FakeAgent } from '../../helpers/fake-agent.ts'

const log: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => log,
}

const metrics = (): Promise<string> => Promise.resolve('')

async function ask(agent: FakeAgent, path: string, body: Json = {}, kind: 'control' | 'ingress' = 'control') {
  const handle = createRoutes(
    agent,
    kind === 'ingress'
      ? { kind, log, metrics }
      : {
          kind,
          log,
          metrics,
          describeProcess: () => ({}),
          profiler: { take: () => Promise.reject(new Error('not here')) },
          stop: () => undefined,
          handOver: () => undefined,
          reload: () => undefined,
        },
  )
  const headers = { host: 'localhost', 'content-type': 'application/json' }
  const response = await handle({ method: 'POST', path, headers, body: Buffer.from(JSON.stringify(body)) })
  return { status: response.status, body: JSON.parse(Buffer.from(response.body).toString()) as Json }
}

test('the owner pauses and resumes queues, retries and purges dead letters', async () => {
  const agent = new FakeAgent()
  const queues = ['inbox', 'outbox']
  assert.deepEqual(await ask(agent, '/v1/queue/pause', { queues }), {
    status: 200,
    body: { queues, paused: true },
  })
  await ask(agent, '/v1/queue/resume', { queues: ['outbox'] })
  assert.deepEqual((await ask(agent, '/v1/outbox/7/retry')).body, {
    retried: 7,
    sequence: 8,
    duplicate: false,
  })
  assert.deepEqual((await ask(agent, '/v1/queue/retry', { queues })).body, { turns: 1, messages: 2 })
  assert.deepEqual((await ask(agent, '/v1/queue/purge', { queues: ['inbox'] })).body, {
    turns: 3,
    messages: 4,
  })
  assert.deepEqual((await ask(agent, '/v1/outbox/purge')).body, { messages: 5, underWay: 6 })
  assert.deepEqual(agent.calls, [
    ['pause', queues],
    ['resume', ['outbox']],
    ['retryMessage', 7],
    ['retryAll', queues],
    ['purgeDead', ['inbox']],
    ['purgePending'],
  ])
})

test('a queue that there is not is refused, and so is none at all', async () => {
  for (const queues of [['inbox', 'nowhere'], [], 'inbox', null]) {
    const { status, body } = await ask(new FakeAgent(), '/v1/queue/pause', { queues })
    assert.deepEqual([status, (body as { code: string }).code], [400, 'ERR_PAYLOAD_INVALID'])
  }
})

test('programs at the ingress have no say in the queues', async () => {
  assert.equal((await ask(new FakeAgent(), '/v1/queue/pause', { queues: ['inbox'] }, 'ingress')).status, 404)
})
