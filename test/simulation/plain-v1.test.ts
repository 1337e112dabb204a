import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Http, HttpResponse } from '../../src/platform/http.ts'
import { runV1Seed } from '../helpers/v1-server-seed.ts'
import type { V1Swaps } from '../helpers/v1-server-world.ts'

const seeds = 200

test(`${seeds} seeds: through a plain v1 server too, everything arrives once and in order`, async () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const { violations, lastLines } = await runV1Seed(seed)
    assert.deepEqual(violations, [], `seed ${seed}\n${lastLines.slice(-60).join('\n')}`)
  }
})

test('a seed replays exactly', async () => {
  for (const seed of [2, 17]) {
    const { digest } = await runV1Seed(seed)
    assert.equal((await runV1Seed(seed)).digest, digest)
  }
})

const mutants: readonly { readonly name: string; readonly swaps: V1Swaps }[] = [
  {
    name: 'sends again without a look at what was sent',
    swaps: { http: (http) => withPage(http, '/message/sent', () => []) },
  },
  {
    name: 'does not note that it is about to ask',
    swaps: { store: (store) => ({ ...bound(store), ask: async () => true }) },
  },
  {
    name: 'takes the first page for the whole inbox',
    swaps: { http: (http) => withPage(http, '/message/inbox', (messages) => messages.slice(0, 19)) },
  },
  {
    name: 'commits the newest first',
    swaps: {
      store: (store) => ({
        ...bound(store),
        accept: (messages, mark) => store.accept(messages.toReversed(), mark),
      }),
    },
  },
  {
    name: 'moves the mark before it has what is below',
    swaps: {
      store: (store) => ({
        ...bound(store),
        accept: async (messages, mark) => {
          await store.accept([], mark)
          await store.accept(messages, mark)
        },
      }),
    },
  },
]

for (const { name, swaps } of mutants) {
  test(`is caught: an agent that ${name}`, async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const { violations } = await runV1Seed(seed, { swaps })
      if (violations.length === 0) continue
      assert.deepEqual((await runV1Seed(seed)).violations, [])
      return
    }
    assert.fail('not caught in 100 seeds')
  })
}

type Store = Parameters<NonNullable<V1Swaps['store']>>[0]

function bound(store: Store): Store {
  return {
    mark: () => store.mark(),
    accept: (messages, mark) => store.accept(messages, mark),
    next: () => store.next(),
    sentNumber: () => store.sentNumber(),
    ask: (sequence, sentNumber) => store.ask(sequence, sentNumber),
    settle: (sequence, verdict) => store.settle(sequence, verdict),
  }
}

/** Shows the agent other messages than the server has. */
function withPage(http: Http, path: string, change: (messages: unknown[]) => unknown[]): Http {
  return {
    request: async (address, request, options) => {
      const response = await http.request(address, request, options)
      return request.path.includes(path) && response.status === 200 ? changed(response, change) : response
    },
  }
}

function changed(response: HttpResponse, change: (messages: unknown[]) => unknown[]): HttpResponse {
  const body = JSON.parse(Buffer.from(response.body).toString()) as { messages: unknown[] }
  return { ...response, body: Buffer.from(JSON.stringify({ ...body, messages: change(body.messages) })) }
}
