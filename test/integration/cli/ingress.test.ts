import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 60_000 }

interface Post {
  readonly key?: string
  readonly body: string | Uint8Array<ArrayBuffer>
  readonly type?: string
  readonly path?: string
  readonly headers?: Record<string, string>
}

interface Answer {
  readonly accepted?: boolean
  readonly position?: number
  readonly duplicate?: boolean
  readonly code?: string
}

async function post(
  cli: CommandLine,
  { key, body, type = 'application/json', path, headers }: Post,
): Promise<{ status: number; body: Answer }> {
  const response = await fetch(`http://127.0.0.1:${cli.record().ingressPort}${path ?? '/agents/Ada/inbox'}`, {
    method: 'POST',
    headers: {
      'content-type': type,
      ...(key === undefined ? {} : { 'idempotency-key': key }),
      connection: 'close',
      ...headers,
    },
    body,
  })
  return { status: response.status, body: (await response.json()) as Answer }
}

test('a webhook is on disk when it is answered, and is taken once over a kill', patience, () =>
  withCommandLine(async (cli) => {
    const up = await cli.up()
    const hook = { key: 'order-7', body: '"remember that order 7 is paid"' }
    const first = await post(cli, hook)
    process.kill(cli.record().pid, 'SIGKILL')
    assert.deepEqual([first.status, first.body.duplicate], [202, false])
    await up.says(/ready again/)
    const second = await post(cli, hook)
    assert.deepEqual([second.status, second.body.duplicate], [200, true])
    assert.equal(second.body.position, first.body.position)
    const answer = await cli.run(['send', 'Ada', 'what about order 7?', '--wait'])
    assert.match(answer.stdout, /order 7 is paid/i)
    assert.equal((await post(cli, { ...hook, body: '"something else"' })).status, 422)
  }),
)

test('garbage, too much, and web pages are refused, and everything else goes on', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up()
    const refusals: [Post, number, string][] = [
      [{ body: '1' }, 400, 'ERR_IDEMPOTENCY_KEY_MISSING'],
      [{ key: 'k', body: '{' }, 400, 'ERR_PAYLOAD_INVALID'],
      [{ key: 'k', body: new Uint8Array([0xff]) }, 400, 'ERR_PAYLOAD_INVALID'],
      [{ key: 'k', body: JSON.stringify('x'.repeat(1_048_577)) }, 413, 'ERR_PAYLOAD_TOO_LARGE'],
      [{ key: 'k', body: '1', headers: { origin: 'https://evil.example' } }, 403, 'ERR_BROWSER_REFUSED'],
      [{ key: 'k', body: '1', path: '/agents/Bob/inbox' }, 404, 'ERR_NO_SUCH_AGENT'],
      [{ key: 'k', body: '1', path: '/v1/stop' }, 404, 'ERR_NO_SUCH_ROUTE'],
    ]
    for (const [request, status, code] of refusals) {
      const response = await post(cli, request)
      assert.deepEqual([response.status, response.body.code], [status, code])
    }
    const text = await post(cli, { key: 'k', body: 'what can you do?', type: 'text/plain' })
    assert.equal(text.status, 202)
    assert.equal((await cli.run(['send', 'Ada', 'hello', '--wait'])).code, 0)
  }),
)

test('a token that is set and empty, or has a space, does not open the door', patience, () =>
  withCommandLine(async (cli) => {
    for (const token of ['', 'open sesame', 'open-sesame\n']) {
      const { code, stderr } = await cli.run(['up', 'Ada', '--port', '0'], {
        environment: { PERDURA_INGRESS_TOKEN: token },
      })
      assert.deepEqual([code, /ERR_USAGE: PERDURA_INGRESS_TOKEN must be/.test(stderr)], [2, true], stderr)
    }
  }),
)

test('the ingress takes a token where the environment has one, and the log does not', patience, () =>
  withCommandLine(async (cli) => {
    const up = cli.start(['up', 'Ada', '--port', '0'], {
      environment: { PERDURA_INGRESS_TOKEN: 'open-sesame-123' },
    })
    await up.says(/ is ready /)
    const without = await post(cli, { key: 'k', body: '1' })
    assert.deepEqual([without.status, without.body.code], [401, 'ERR_TOKEN'])
    const right = await post(cli, {
      key: 'k',
      body: '1',
      headers: { authorization: 'Bearer open-sesame-123' },
    })
    assert.equal(right.status, 202)
    assert.doesNotMatch((await cli.run(['logs', 'Ada', '--json'])).stdout, /open-sesame/)
  }),
)
