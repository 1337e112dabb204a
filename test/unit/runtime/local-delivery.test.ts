import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../src/errors.ts'
import type { Disk } from '../../../src/platform/disk.ts'
import type { HttpAddress, HttpRequest, HttpResponse } from '../../../src/platform/http.ts'
import type { Verdict } from '../../../src/queue/outbox.ts'
import { LocalDelivery } from '../../../src/runtime/local-delivery.ts'

const record = { pid: 1, identity: 'x', controlSocket: '/home/agents/Bob/control.sock' }

function disk(agents: Record<string, object | undefined>): Disk {
  return {
    list: () => Object.keys(agents),
    readFile: (path: string) => {
      const content = agents[path.split('/').at(-2) ?? '']
      return content === undefined ? undefined : Buffer.from(JSON.stringify(content))
    },
  } as unknown as Disk
}

interface Exchange {
  readonly verdict: Verdict
  readonly asked: { readonly address: HttpAddress; readonly request: HttpRequest }[]
}

async function deliver(
  answer: () => Promise<HttpResponse>,
  to = 'Bob',
  content: object = { Bob: record },
): Promise<Exchange> {
  const asked: Exchange['asked'] = []
  const delivery = new LocalDelivery({
    home: '/home',
    disk: disk(content as Record<string, object | undefined>),
    http: {
      request(address, request) {
        asked.push({ address, request })
        return answer()
      },
    },
  })
  const message = {
    id: 'm-1',
    from: 'Ada',
    to,
    conversation: 'c',
    content: { text: 'hello' },
    hops: 1,
    inReplyTo: undefined,
  }
  return { verdict: await delivery.deliver(message), asked }
}

const answer =
  (status: number, body: object = {}) =>
  (): Promise<HttpResponse> =>
    Promise.resolve({ status, headers: {}, body: Buffer.from(JSON.stringify(body)) })

test('a message goes to the control socket of its recipient, and is delivered once that has it', async () => {
  const { verdict, asked } = await deliver(answer(202))
  assert.deepEqual(verdict, { verdict: 'delivered' })
  assert.deepEqual(asked[0]?.address, { socketPath: '/home/agents/Bob/control.sock' })
  assert.equal(asked[0]?.request.path, '/v1/messages')
  assert.deepEqual(JSON.parse(Buffer.from(asked[0]?.request.body ?? '').toString()), {
    id: 'm-1',
    from: 'Ada',
    conversation: 'c',
    payload: { text: 'hello' },
    in_reply_to: null,
    hops: 1,
  })
})

test('a repeat that the recipient recognises is delivered', async () => {
  assert.deepEqual((await deliver(answer(200, { duplicate: true }))).verdict, { verdict: 'delivered' })
})

test('a recipient that does not exist is refused, one that does not run is tried again', async () => {
  const missing = await deliver(answer(202), 'Eve')
  assert.match((missing.verdict as { error: string }).error, /ERR_RECIPIENT: there is no agent "Eve"/)
  assert.equal(missing.verdict.verdict, 'refused')
  const stopped = await deliver(answer(202), 'Bob', { Bob: undefined })
  assert.equal(stopped.verdict.verdict, 'retry')
  assert.equal(missing.asked.length + stopped.asked.length, 0)
})

test('a name that is no name is refused, wherever it points', async () => {
  assert.equal((await deliver(answer(202), '../Bob')).verdict.verdict, 'refused')
})

test('no answer is tried again: whether it arrived is open, and its id settles that', async () => {
  const lost = await deliver(() => Promise.reject(new PerduraError('ERR_HTTP_UNREACHABLE', 'reset')))
  assert.equal(lost.verdict.verdict, 'retry')
})

test('want of room and failures inside are tried again, other refusals are final', async () => {
  const body = { success: false, code: 'ERR_INBOX_FULL', error: 'full' }
  for (const status of [429, 503, 500]) {
    assert.deepEqual((await deliver(answer(status, body))).verdict, {
      verdict: 'retry',
      error: 'ERR_INBOX_FULL: full',
      // After a failure inside, nobody knows.
      ...(status === 500 && { isOpen: true }),
    })
  }
  const final = { success: false, code: 'ERR_PAYLOAD_TOO_LARGE', error: 'large' }
  for (const status of [400, 413, 422]) {
    assert.deepEqual((await deliver(answer(status, final))).verdict, {
      verdict: 'refused',
      error: 'ERR_PAYLOAD_TOO_LARGE: large',
    })
  }
})

test('an answer that is not ours is described by its status', async () => {
  const { verdict } = await deliver(() =>
    Promise.resolve({ status: 400, headers: {}, body: Buffer.from('<html>') }),
  )
  assert.deepEqual(verdict, { verdict: 'refused', error: 'ERR_INTERNAL: answered 400' })
})
