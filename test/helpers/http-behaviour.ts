import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../src/errors.ts'
import type { Http, HttpAddress, HttpListener, HttpRequest, HttpResponse } from '../../src/platform/http.ts'

export interface HttpUnderTest {
  readonly http: Http
  readonly listener: HttpListener
  /** An address that is free: a port of 0, or a socket path. */
  address(): HttpAddress
  /** Waits for what the network does by itself. */
  settle<T>(promise: Promise<T>): Promise<T>
}

export function requestOf(path: string, body = '', headers: Record<string, string> = {}): HttpRequest {
  return { method: body === '' ? 'GET' : 'POST', path, headers, body: Buffer.from(body) }
}

export function answerOf(body: string, status = 200): HttpResponse {
  return { status, headers: { 'content-type': 'text/plain' }, body: Buffer.from(body) }
}

export const textOf = (response: HttpResponse): string => Buffer.from(response.body).toString()

/** What HTTP does, the real one and the simulated one alike. */
export function testHttpBehaviour(
  withHttp: (run: (under: HttpUnderTest) => Promise<void>) => Promise<void>,
): void {
  const fact = (name: string, run: (under: HttpUnderTest) => Promise<void>): void => {
    test(name, () => withHttp(run))
  }
  const bounds = { bodyBytesMax: 1_000 }
  const timeoutMs = 5_000

  fact('hands a request over and its answer back', async ({ http, listener, address, settle }) => {
    const seen: HttpRequest[] = []
    const server = await settle(
      listener.listen(address(), bounds, async (request) => {
        seen.push(request)
        return answerOf('pong', 201)
      }),
    )
    const request = requestOf('/inbox?x=1', 'ping ü', { 'idempotency-key': 'k1' })
    const response = await settle(http.request(server.address, request, { timeoutMs }))
    assert.equal(response.status, 201)
    assert.equal(response.headers['content-type'], 'text/plain')
    assert.equal(textOf(response), 'pong')
    assert.equal(seen.length, 1)
    assert.equal(seen[0]?.method, 'POST')
    assert.equal(seen[0]?.path, '/inbox?x=1')
    assert.equal(seen[0]?.headers['idempotency-key'], 'k1')
    assert.equal(Buffer.from(seen[0].body).toString(), 'ping ü')
    await settle(server.close(0))
  })

  fact('serves many requests at once', async ({ http, listener, address, settle }) => {
    const server = await settle(listener.listen(address(), bounds, async ({ path }) => answerOf(path)))
    const paths = Array.from({ length: 20 }, (_, index) => `/${index}`)
    const answers = await settle(
      Promise.all(paths.map((path) => http.request(server.address, requestOf(path), { timeoutMs }))),
    )
    assert.deepEqual(answers.map(textOf), paths)
    await settle(server.close(0))
  })

  fact(
    'refuses a body that is too large with 413, and tells why',
    async ({ http, listener, address, settle }) => {
      let calls = 0
      const server = await settle(
        listener.listen(address(), bounds, async () => {
          calls += 1
          return answerOf('')
        }),
      )
      const response = await settle(
        http.request(server.address, requestOf('/', 'x'.repeat(1_001)), { timeoutMs }),
      )
      assert.equal(response.status, 413)
      const { success, code, details } = JSON.parse(textOf(response))
      assert.deepEqual(
        { success, code, details },
        {
          success: false,
          code: 'ERR_PAYLOAD_TOO_LARGE',
          details: { bodyBytesMax: 1_000 },
        },
      )
      assert.equal(calls, 0)
      const fits = await settle(
        http.request(server.address, requestOf('/', 'x'.repeat(1_000)), { timeoutMs }),
      )
      assert.equal(fits.status, 200)
      await settle(server.close(0))
    },
  )

  fact(
    'answers with the error that the handler rejected with',
    async ({ http, listener, address, settle }) => {
      const server = await settle(
        listener.listen(address(), bounds, async () => {
          throw new PerduraError('ERR_INBOX_FULL', 'the inbox is full', { details: { entries: 3 } })
        }),
      )
      const response = await settle(http.request(server.address, requestOf('/'), { timeoutMs }))
      assert.equal(response.status, 429)
      assert.deepEqual(JSON.parse(textOf(response)), {
        success: false,
        error: 'the inbox is full',
        code: 'ERR_INBOX_FULL',
        details: { entries: 3 },
      })
      await settle(server.close(0))
    },
  )

  fact('says nothing of an error that was not expected, and reports it', async (under) => {
    const { http, listener, address, settle } = under
    const errors: string[] = []
    const options = { ...bounds, onError: (error: Error) => void errors.push(error.message) }
    const server = await settle(
      listener.listen(address(), options, async () => {
        throw new Error('SELECT secret FROM internals')
      }),
    )
    const response = await settle(http.request(server.address, requestOf('/'), { timeoutMs }))
    assert.equal(response.status, 500)
    assert.equal(JSON.parse(textOf(response)).code, 'ERR_INTERNAL')
    assert.doesNotMatch(textOf(response), /SELECT/)
    assert.deepEqual(errors, ['SELECT secret FROM internals'])
    await settle(server.close(0))
  })

  fact('is unreachable where nothing listens', async ({ http, listener, address, settle }) => {
    const server = await settle(listener.listen(address(), bounds, async () => answerOf('')))
    await settle(server.close(0))
    await settle(
      assert.rejects(http.request(server.address, requestOf('/'), { timeoutMs }), (error) => {
        assert.ok(error instanceof PerduraError)
        assert.equal(error.code, 'ERR_HTTP_UNREACHABLE')
        assert.equal(error.details['reason'], 'refused')
        assert.ok(error.retryable)
        assert.ok(error.cause instanceof Error)
        return true
      }),
    )
  })

  fact('gives up when no answer comes in time', async ({ http, listener, address, settle }) => {
    const server = await settle(listener.listen(address(), bounds, () => new Promise<never>(() => {})))
    const request = http.request(server.address, requestOf('/'), { timeoutMs: 50 })
    await settle(assert.rejects(request, { code: 'ERR_HTTP_UNREACHABLE', message: /no answer in time/ }))
    await settle(server.close(0))
  })

  fact(
    'is called off by its signal, before and while it runs',
    async ({ http, listener, address, settle }) => {
      const controller = new AbortController()
      let arrived = 0
      const server = await settle(
        listener.listen(address(), bounds, () => {
          arrived += 1
          controller.abort()
          return new Promise<never>(() => {})
        }),
      )
      const options = { timeoutMs, signal: controller.signal }
      const called = { code: 'ERR_HTTP_UNREACHABLE', message: /called off/ }
      await settle(assert.rejects(http.request(server.address, requestOf('/'), options), called))
      await settle(assert.rejects(http.request(server.address, requestOf('/'), options), called))
      assert.equal(arrived, 1)
      await settle(server.close(0))
    },
  )

  fact('finishes what is under way when it closes, and takes in nothing more', async (under) => {
    const { http, listener, address, settle } = under
    const gate = Promise.withResolvers<void>()
    const arrived = Promise.withResolvers<void>()
    const server = await settle(
      listener.listen(address(), bounds, async () => {
        arrived.resolve()
        await gate.promise
        return answerOf('finished')
      }),
    )
    const request = http.request(server.address, requestOf('/'), { timeoutMs })
    await settle(arrived.promise)
    const closed = server.close(timeoutMs)
    await settle(assert.rejects(http.request(server.address, requestOf('/'), { timeoutMs })))
    gate.resolve()
    assert.equal(textOf(await settle(request)), 'finished')
    await settle(closed)
  })

  fact('cuts what does not finish in time when it closes', async ({ http, listener, address, settle }) => {
    const arrived = Promise.withResolvers<void>()
    const server = await settle(
      listener.listen(address(), bounds, () => {
        arrived.resolve()
        return new Promise<never>(() => {})
      }),
    )
    const outcome = assert.rejects(http.request(server.address, requestOf('/'), { timeoutMs }), {
      code: 'ERR_HTTP_UNREACHABLE',
      message: /hung up/,
    })
    await settle(arrived.promise)
    await settle(server.close(20))
    await settle(outcome)
  })

  fact(
    'refuses an address that is taken, and can have it afterwards',
    async ({ listener, address, settle }) => {
      const server = await settle(listener.listen(address(), bounds, async () => answerOf('')))
      await settle(
        assert.rejects(
          listener.listen(server.address, bounds, async () => answerOf('')),
          { code: 'ERR_PORT_IN_USE' },
        ),
      )
      await settle(server.close(0))
      const again = await settle(listener.listen(server.address, bounds, async () => answerOf('')))
      await settle(again.close(0))
    },
  )
}
