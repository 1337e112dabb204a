import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../src/errors.ts'
import { parseHttpUrl, requestJson } from '../../../src/platform/http-json.ts'
import type { HttpRequest } from '../../../src/platform/http.ts'
import { SimulatedHttp } from '../../../src/testing/index.ts'
import { createSimulation } from '../../helpers/simulated-machine.ts'

test('reads where a server is from its URL', () => {
  const cases: Record<string, [string, number, boolean, string, string]> = {
    'http://127.0.0.1:8767': ['127.0.0.1', 8767, false, '', 'http://127.0.0.1:8767'],
    'HTTP://Hub.Test:8767/': ['hub.test', 8767, false, '', 'http://hub.test:8767'],
    'ws://hub.test': ['hub.test', 80, false, '', 'http://hub.test:80'],
    'https://hub.test': ['hub.test', 443, true, '', 'https://hub.test:443'],
    'wss://hub.test:8768/a/b/': ['hub.test', 8768, true, '/a/b', 'https://hub.test:8768/a/b'],
    'http://[::1]:8767': ['::1', 8767, false, '', 'http://[::1]:8767'],
  }
  for (const [text, [host, port, tls, pathPrefix, key]] of Object.entries(cases)) {
    assert.deepEqual(parseHttpUrl(text), { address: { host, port, tls }, pathPrefix, key }, text)
  }
})

test('refuses what is no address of a server, and never repeats it', () => {
  const texts = [
    '',
    'hub.test:8767',
    'ftp://hub.test',
    'http://',
    'http://hub.test:0',
    'http://hub.test:99999',
    'http://ada:hunter22@hub.test',
    'http://hunter22@hub.test',
    'http://hub.test/?token=hunter22',
    'http://hub.test/?',
    'http://hub.test/#hunter22',
  ]
  for (const text of texts) {
    assert.throws(
      () => parseHttpUrl(text),
      (error) => {
        assert.ok(error instanceof PerduraError && error.code === 'ERR_USAGE', text)
        assert.doesNotMatch(`${error.message} ${JSON.stringify(error.details)}`, /hunter22/)
        return true
      },
      text,
    )
  }
})

test('sends and reads JSON, and says so when an answer is none', async () => {
  const { clock, random } = createSimulation(1)
  const http = new SimulatedHttp({ clock, random })
  const address = { host: 'hub', port: 1 }
  const seen: HttpRequest[] = []
  const texts = ['{"a":[1]}', '404: Not Found', '']
  http.serve(address, async (request) => {
    seen.push(request)
    return { status: 418, headers: { 'x-a': 'b' }, body: Buffer.from(texts.shift() ?? '') }
  })
  const send = (body?: object) =>
    clock.settle(
      requestJson(
        http.client,
        address,
        {
          method: 'POST',
          path: '/p?q=1',
          headers: { authorization: 'Bearer x' },
          ...(body && { body: { b: 'ü' } }),
        },
        { timeoutMs: 1_000 },
      ),
    )
  assert.deepEqual(await send({}), { status: 418, headers: { 'x-a': 'b' }, body: { a: [1] } })
  assert.equal((await send()).body, undefined)
  assert.equal((await send()).body, undefined)
  const [first, second] = seen
  assert.equal(first?.path, '/p?q=1')
  assert.equal(Buffer.from(first.body).toString(), '{"b":"ü"}')
  assert.equal(first.headers['content-type'], 'application/json')
  assert.equal(first.headers['authorization'], 'Bearer x')
  assert.equal(second?.headers['content-type'], undefined)
  assert.equal(second?.body.length, 0)
})
