import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createSeededRandom, type SeededRandom } from '../../src/testing/random.ts'
import { until, withCommandLine, type CommandLine } from '../helpers/command-line.ts'
import '../helpers/leaks.ts'
import { rawRequest, sendRaw, type RawRequest } from '../helpers/raw-http.ts'

// PERDURA_FUZZ_SEED=<number> replays a run.
const seed = Number(process.env['PERDURA_FUZZ_SEED'] ?? randomInt(1_000_000))
const patience = { timeout: 60_000 }
/** So many that each kind of answer is met, and memory has found its size before the end. */
const requests = 600
const atOnce = 16

interface Doors {
  readonly ingress: NetConnectOpts
  readonly control: NetConnectOpts
}

function doors(cli: CommandLine): Doors {
  return {
    ingress: { host: '127.0.0.1', port: cli.record().ingressPort },
    control: { path: join(cli.home, 'agents', 'Ada', 'control.sock') },
  }
}

function residentMb(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  return (pages * 4_096) / 2 ** 20
}

/** Whatever is thrown at it, an answer is one of those that the reference page has. */
const documented = new Set([100, 200, 202, 400, 401, 403, 404, 405, 408, 413, 417, 422, 429, 431, 503])

test(`survives whatever is sent to its doors (seed ${seed})`, patience, () =>
  withCommandLine(async (cli) => {
    const up = await cli.up()
    const { ingress, control } = doors(cli)
    const { pid } = cli.record()
    // Those that say nothing more are cut after ten seconds; they are waited for at the end.
    const slow = slowRequests(ingress)
    const idle = await openIdle(ingress, 1_500)

    const random = createSeededRandom(seed)
    const seen = new Map<number, number>()
    let sent = 0
    let beforeMb = 0
    const attack = async (): Promise<void> => {
      while (sent < requests) {
        const pieces = hostile(random)
        const door = random.fraction() < 0.7 ? ingress : control
        const { statuses, end } = await sendRaw(door, pieces, { ends: random.fraction() < 0.8 })
        sent += 1
        // The code that runs first is compiled, and buffers find their size.
        if (sent === 300) beforeMb = residentMb(pid)
        assert.notEqual(end, 'patience', `no end came for ${excerpt(pieces)}`)
        for (const status of statuses) {
          assert.ok(documented.has(status), `${status} for ${excerpt(pieces)}`)
          seen.set(status, (seen.get(status) ?? 0) + 1)
        }
      }
    }
    // While the ingress is full of idle connections the owner's door is open all the same.
    assert.equal((await cli.run(['send', 'Ada', 'hello', '--wait'])).code, 0)
    for (const socket of idle) socket.destroy()
    await Promise.all(Array.from({ length: atOnce }, attack))
    for (const status of [202, 400, 403, 404, 405, 413])
      assert.ok(seen.has(status), `no answer was ${status}`)

    for (const { name, answer } of slow) {
      const { statuses, end } = await answer
      assert.deepEqual([statuses, end], [[408], 'closed'], name)
    }
    const grownMb = residentMb(pid) - beforeMb
    assert.ok(grownMb < 80, `it grew by ${grownMb.toFixed(0)} MB`)

    assert.equal(cli.record().pid, pid)
    assert.doesNotMatch(up.stdout, /the process (was killed|ended)/)
    const answer = rawRequest({
      path: '/agents/Ada/inbox',
      headers: [['Idempotency-Key', 'after all']],
      body: '"help"',
    })
    assert.deepEqual((await sendRaw(ingress, [answer])).statuses, [202])
    await until(
      'the inbox is empty',
      async () => (await cli.json(['status', 'Ada'])).inbox.oldest_open_at === null,
    )
    const turns = (await cli.json(['turn', 'list', 'Ada', '--limit', '10000'])).turns as { status: string }[]
    assert.ok(turns.every(({ status }) => status === 'done'))
    assert.match((await cli.run(['send', 'Ada', 'help', '--wait'])).stdout, /I understand/)
    assert.doesNotMatch((await cli.run(['logs', 'Ada', '-n', '100000'])).stdout, /http:request:failed/)
  }),
)

test('an accepted request is answered as such, whatever comes behind it', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up()
    const { ingress } = doors(cli)
    for (const [key, garbage] of Object.entries({
      g1: 'garbage\r\n\r\n',
      g2: '\0\0\0',
      g3: 'POST / HTTP/9.9\r\n\r\n',
    })) {
      const headers = [
        ['Idempotency-Key', key],
        ['Connection', 'keep-alive'],
      ] as const
      const request = rawRequest({ path: '/agents/Ada/inbox', headers, body: '"remember that it came"' })
      const { statuses, end } = await sendRaw(ingress, [Buffer.concat([request, Buffer.from(garbage)])])
      assert.deepEqual([statuses[0], end], [202, 'closed'], key)
    }
  }),
)

/** Requests that never come to an end, each in its own way. */
function slowRequests(ingress: NetConnectOpts): { name: string; answer: ReturnType<typeof sendRaw> }[] {
  const head = 'POST /agents/Ada/inbox HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: slow\r\n'
  const drip = (text: string): string[] => [text, ...Array.from({ length: 200 }, () => '1')]
  const keepOpen = { ends: false, patienceMs: 30_000 }
  return [
    { name: 'says nothing', answer: sendRaw(ingress, [], keepOpen) },
    { name: 'half a line', answer: sendRaw(ingress, ['POST /age'], keepOpen) },
    { name: 'half a header', answer: sendRaw(ingress, [`${head}X-Pad: `], keepOpen) },
    {
      name: 'a header drop by drop',
      answer: sendRaw(ingress, drip(`${head}X-Pad: `), { ...keepOpen, pauseMs: 200 }),
    },
    { name: 'half a body', answer: sendRaw(ingress, [`${head}Content-Length: 1000\r\n\r\n"half`], keepOpen) },
    {
      name: 'a body drop by drop',
      answer: sendRaw(ingress, drip(`${head}Content-Length: 1000\r\n\r\n`), { ...keepOpen, pauseMs: 200 }),
    },
    {
      name: 'chunks without an end',
      answer: sendRaw(ingress, [`${head}Transfer-Encoding: chunked\r\n\r\n`, '5\r\n"half\r\n'], keepOpen),
    },
  ]
}

/** Connections on which nothing is asked; those over the bound are closed by the other side. */
async function openIdle(ingress: NetConnectOpts, count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect(ingress).on('error', () => undefined))
  await until('the idle connections are made', () => sockets.every(({ connecting }) => !connecting))
  await delay(100)
  return sockets
}

/** One connection's worth of hostility: usually a request with something wrong about it, sometimes bytes. */
function hostile(random: SeededRandom): (string | Uint8Array)[] {
  const kind = random.fraction()
  if (kind < 0.1) return [random.bytes(1 + below(random, 4_000))]
  if (kind < 0.2) return [mutated(random, rawRequest(request(random)))]
  if (kind < 0.3)
    return [Buffer.concat(Array.from({ length: 1 + below(random, 20) }, () => pipelined(random)))]
  if (kind < 0.4) return chunked(random)
  if (kind < 0.45) return [rawRequest(request(random)).subarray(0, below(random, 200))]
  const whole = rawRequest(request(random))
  const cut = below(random, whole.length)
  return random.fraction() < 0.5 ? [whole] : [whole.subarray(0, cut), whole.subarray(cut)]
}

function request(random: SeededRandom): RawRequest {
  const headers: [string, string][] = [['Idempotency-Key', `k${below(random, 1_000_000)}`]]
  while (random.fraction() < 0.4) headers.push(pick(random, oddHeaders))
  return {
    method: random.fraction() < 0.85 ? 'POST' : pick(random, methods),
    path: random.fraction() < 0.6 ? '/agents/Ada/inbox' : pick(random, paths),
    headers,
    body: pick(random, bodies)(),
  }
}

function pipelined(random: SeededRandom): Buffer {
  const { headers = [], ...rest } = request(random)
  return rawRequest({ ...rest, headers: [...headers, ['Connection', 'keep-alive']] })
}

function chunked(random: SeededRandom): (string | Uint8Array)[] {
  const head = rawRequest({
    path: '/agents/Ada/inbox',
    headers: [
      ['Idempotency-Key', `c${below(random, 1_000_000)}`],
      ['Transfer-Encoding', 'chunked'],
    ],
  })
  const sizes = [0, 1, 10, 65_536, 300_000]
  const chunks = Array.from({ length: below(random, 8) }, () => {
    const length = pick(random, sizes)
    return `${random.fraction() < 0.9 ? length.toString(16) : pick(random, ['-1', 'zz', 'ffffffffffffffff', ''])}\r\n${'1'.repeat(length)}\r\n`
  })
  // Without an end only where the connection is half-closed or the body is too much already.
  return [
    head,
    ...chunks,
    random.fraction() < 0.8 ? '0\r\n\r\n' : '0\r\nX-Trailer: x\r\nContent-Length: 5\r\n\r\n',
  ]
}

function mutated(random: SeededRandom, bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes.subarray(0, 4_000))
  for (let count = 1 + below(random, 5); count > 0; count--)
    copy[below(random, copy.length)] = below(random, 256)
  return copy
}

const methods = [
  'GET',
  'HEAD',
  'PUT',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'TRACE',
  'CONNECT',
  'post',
  'BREW',
  'PRI',
]

const paths = [
  '/',
  '*',
  '//',
  '/healthz',
  '/healthz?x=%',
  '/agents//inbox',
  '/agents/../inbox',
  '/agents/..%2f..%2fAda/inbox',
  '/agents/%2e%2e/inbox',
  '/agents/Ada%00/inbox',
  '/agents/%ff/inbox',
  '/agents/%/inbox',
  '/agents/ada/inbox',
  '/agents/__proto__/inbox',
  `/agents/${'A'.repeat(8_000)}/inbox`,
  '/agents/Ada/inbox/',
  '/agents/Ada/inbox#x',
  '/agents/Ada/inbox?from=a%20b',
  '/agents/Ada/inbox?from=%00',
  '/agents/Ada/inbox?from=../../x',
  '/agents/Ada/inbox?from=__proto__',
  '/agents/Ada/inbox?conversation=__proto__',
  '/agents/Ada/inbox?conversation=%F0%9F%A7%80%0A',
  `/agents/Ada/inbox?conversation=${'c'.repeat(1_000)}`,
  '/agents/Ada/inbox?from=Ada',
  '/agents/Ada/inbox?%=%&=&&',
  'http://127.0.0.1/agents/Ada/inbox',
  'http://evil.example/agents/Ada/inbox',
  'file:///etc/passwd',
  '/v1/turns/999999999999999/effects/x/resolve',
  '/v1/turns/1/effects/%/resolve',
  '/v1/turns/1e3/retry',
  '/v1/terminal/ack',
  '/v1/messages',
]

const oddHeaders: readonly [string, string][] = [
  ['Idempotency-Key', 'a second one'],
  ['Idempotency-Key', ''],
  ['Idempotency-Key', 'k'.repeat(300)],
  ['Idempotency-Key', '"quoted \\" key"'],
  ['Idempotency-Key', 'caf\u00e9'],
  ['Content-Type', 'text/plain; charset=utf-16'],
  ['Content-Type', 'text/html'],
  ['Content-Type', 'application/json;;;=,'],
  ['Content-Type', 'multipart/form-data; boundary=x'],
  ['Content-Type', `application/${'x'.repeat(5_000)}`],
  ['Content-Encoding', 'gzip'],
  ['Content-Length', '5'],
  ['Content-Length', '-1'],
  ['Content-Length', '99999999999999999999'],
  ['Content-Length', '0x10'],
  ['Transfer-Encoding', 'gzip, chunked'],
  ['Transfer-Encoding', 'identity'],
  ['Host', 'evil.example'],
  ['Host', ''],
  ['Host', '127.0.0.1.evil.example'],
  ['Host', '[::1]:1'],
  ['Origin', 'null'],
  ['Origin', 'http://127.0.0.1'],
  ['Sec-Fetch-Site', 'cross-site'],
  ['Expect', '100-continue'],
  ['Expect', 'the unexpected'],
  ['Upgrade', 'websocket'],
  ['Connection', 'Upgrade'],
  ['Connection', 'Idempotency-Key'],
  ['Authorization', `Bearer ${' '.repeat(4_000)}`],
  ['X-Injected', 'a\r\nOrigin: https://evil.example'],
  ['X-Folded', 'a\r\n b'],
  ['X Space', 'a'],
  ['__proto__', 'a'],
  ['constructor', 'a'],
  ['X-Large', 'x'.repeat(20_000)],
]

const mebibyte = 1_048_576

const bodies: readonly (() => string | Uint8Array)[] = [
  () => '',
  () => '"help"',
  () => '{"text": "remember that it rains"}',
  () => '{"id": "x", "payload": 1, "from": "me", "hops": -1}',
  () => '{"id": "x\u0000", "payload": 1}',
  () => '{"__proto__": {"admin": true}, "constructor": {"prototype": 1}, "text": "hello"}',
  () => '{"outcome": "done", "turn": 1e999, "sequence": -0}',
  () => '[1e999, -1e-999, 123456789012345678901234567890, 0.1]',
  () => '["\\ud800", "\\u0000", "\u2028"]',
  () => '['.repeat(100_000),
  () => `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
  () => `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
  () => `${'['.repeat(200)}${']'.repeat(200)}`,
  () => `${'['.repeat(201)}${']'.repeat(201)}`,
  () => `"${'x'.repeat(mebibyte - 2)}"`,
  () => `"${'x'.repeat(mebibyte - 1)}"`,
  () => `"${'\\u0001'.repeat(170_000)}"`,
  () => 'x'.repeat(3 * mebibyte),
  () => `{${Array.from({ length: 20_000 }, (_, at) => `"k${at}":${at}`).join(',')}}`,
  () => new Uint8Array([0x22, 0xff, 0xfe, 0x22]),
  () => new Uint8Array([0xed, 0xa0, 0x80]),
  () => new Uint8Array([0xef, 0xbb, 0xbf, 0x31]),
  () => new Uint8Array(1_000),
  () => 'NaN',
  () => '{"a":1}{"b":2}',
  () => '\u0000',
]

function pick<T>(random: SeededRandom, choices: readonly T[]): T {
  return choices[below(random, choices.length)] as T
}

function below(random: SeededRandom, bound: number): number {
  return Math.floor(random.fraction() * bound)
}

function excerpt(pieces: readonly (string | Uint8Array)[]): string {
  return JSON.stringify(
    Buffer.concat(pieces.map((piece) => Buffer.from(piece as string)))
      .toString('latin1')
      .slice(0, 600),
  )
}
