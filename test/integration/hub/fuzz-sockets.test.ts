import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { startHub } from '../../../src/hub/server/start-hub.ts'
import { closeCodes } from '../../../src/protocol/close-codes.ts'
import { createNodePlatform } from '../../../src/platform/node/platform.ts'
import type { LogFields } from '../../../src/platform/log.ts'
import { createSeededRandom, type SeededRandom } from '../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'
import { withFolder } from '../../helpers/folder.ts'
import { mutate } from '../../helpers/frame-fuzz.ts'
import '../../helpers/leaks.ts'
import { sendRaw } from '../../helpers/raw-http.ts'
import { publishFrame, resumeFrame } from '../../unit/hub/relay/resumable-world.ts'

// PERDURA_FUZZ_SEED=<number> replays a run.
const seed = Number(process.env['PERDURA_FUZZ_SEED'] ?? randomInt(1_000_000))
const secret = 'a secret of enough characters'
/** 1003: binary. 1006: the socket was cut. 1007: no UTF-8. 1009: too large. 1002: no WebSocket any more. */
const documented = new Set<number>([1000, 1001, 1002, 1003, 1006, 1007, 1009, ...Object.values(closeCodes)])

interface Door {
  readonly port: number
  readonly failures: LogFields[]
  call(
    method: string,
    path: string,
    body?: unknown,
    token?: string,
  ): Promise<{ status: number; body: Answer }>
}

// oxlint-disable-next-line typescript/no-explicit-any
type Answer = any

async function withDoor(use: (door: Door) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const failures: LogFields[] = []
    const log = createSimulatedLog(new Trace(), (event, fields) => {
      if (event.endsWith(':failed')) failures.push({ event, ...fields })
    })
    const addresses = [{ host: '127.0.0.1', port: 0 }]
    const hub = await startHub({
      folder,
      addresses,
      platform: createNodePlatform(),
      log,
      requestsPerMinute: 1_000_000,
    })
    const { port } = hub.addresses[0] as { port: number }
    try {
      await use({
        port,
        failures,
        call: async (method, path, body, token) => {
          const response = await fetch(`http://127.0.0.1:${port}/api/v1${path}`, {
            method,
            headers: {
              connection: 'close',
              ...(token !== undefined && { authorization: `Bearer ${token}` }),
            },
            ...(body !== undefined && { body: JSON.stringify(body) }),
          })
          return { status: response.status, body: await response.json() }
        },
      })
    } finally {
      await hub.close(0)
    }
  })
}

async function join({ call }: Door, name: string): Promise<string> {
  await call('POST', '/ai/register', { name, ai_secret: secret })
  const { body } = await call('POST', '/auth/login', { ai_name: name, ai_secret: secret })
  return body.token as string
}

function dial({ port }: Door, token: string) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/v1/connect?resume=1`, {
    headers: { authorization: `Bearer ${token}` },
  })
  const frames: Answer[] = []
  let told = (): void => {}
  const closed = new Promise<number>((resolve) => socket.on('close', (code) => (resolve(code), told())))
  socket.on('error', () => {})
  socket.on('message', (data) => {
    frames.push(JSON.parse((data as Buffer).toString()))
    told()
  })
  const next = async (type: string): Promise<Answer> => {
    for (;;) {
      const frame = frames.find((candidate) => candidate.type === type)
      if (frame !== undefined) return frame
      if (socket.readyState === WebSocket.CLOSED) return undefined
      await new Promise<void>((resolve) => (told = resolve))
    }
  }
  return { socket, closed, next }
}

async function attack(door: Door, token: string, random: SeededRandom): Promise<number> {
  const { socket, closed, next } = dial(door, token)
  await next('connected')
  if (random.chance(0.8)) {
    socket.send(JSON.stringify(resumeFrame({ takeover: true })))
    await next('ready')
  }
  const ready = { tx: { producer_epoch: 'p' } }
  for (let count = 0; count < 10; count++) {
    const frame = random.pick([
      publishFrame(ready, 1, { id: `m${random.int(0, 1_000_000)}` }),
      { type: 'ack', epoch: 'e', offset: 1 },
      { type: 'ping', sent_ms: 1 },
      resumeFrame(),
    ])
    const kind = random.int(0, 9)
    if (kind === 0) socket.send(Buffer.from([random.int(0, 255), 0, 255]))
    else if (kind === 1) socket.send(Buffer.from([0xff, 0xfe]), { binary: false })
    else if (kind === 2) socket.send('x'.repeat(5 * 1024 * 1024))
    else if (kind === 3) socket.ping()
    else if (kind === 4) socket.close(random.pick([1000, 1001, 3000, 4999]))
    else socket.send(mutate(random, frame))
    if (socket.readyState !== WebSocket.OPEN) break
  }
  if (random.chance(0.3)) socket.terminate()
  else socket.close()
  return closed
}

test(`hostile frames end their own socket, and no other (seed ${seed})`, { timeout: 60_000 }, () =>
  withDoor(async (door) => {
    const random = createSeededRandom(seed)
    const [bad, good] = [await join(door, 'Bad'), await join(door, 'Good')]
    await join(door, 'Bo')
    const honest = dial(door, good)
    await honest.next('connected')
    honest.socket.send(JSON.stringify(resumeFrame()))
    const ready = await honest.next('ready')
    const codes = new Set<number>()
    for (let round = 0; round < 12; round++) {
      const ends = await Promise.all(Array.from({ length: 4 }, () => attack(door, bad, random)))
      for (const code of ends) codes.add(code)
    }
    for (const code of codes) assert.ok(documented.has(code) || code === 3000 || code === 4999, String(code))
    honest.socket.send(JSON.stringify(publishFrame(ready, 1)))
    assert.equal((await honest.next('publish_ack')).result, 'ok')
    honest.socket.close()
    await honest.closed
    assert.deepEqual(door.failures, [])
  }),
)

const paths = [
  '/ai/register',
  '/ai/list',
  '/ai/online',
  '/ai/1',
  '/ai/%00',
  '/auth/login',
  '/auth/challenge',
  '/auth/refresh',
  '/auth/verify',
  '/auth/logout',
  '/message/send',
  '/message/inbox',
  '/message/sent',
  '/message/search',
  '/message/x/read',
  '/message/%E0%A4%A',
  '/session/create',
  '/session/history',
  '/session/abcdef0/history',
  '/nothing',
]

const goodBody = {
  name: 'Eve',
  ai_name: 'Eve',
  ai_nickname: 'E',
  ai_secret: secret,
  recipient_id: 1,
  recipient_name: 'Bo',
  content: 'text',
  metadata: { a: 1 },
  message_id: 'm',
  session_type: 'general',
  refresh_token: 'x',
  generation: 1,
  ai_id: 1,
}
const parameters = [
  'limit',
  'offset',
  'status',
  'query',
  'q',
  'minutes',
  'after_id',
  'date_from',
  'is_active',
]
const values = [
  '-1',
  '1e9',
  'x',
  '%00',
  '%ff',
  '%F0%9F%98%80',
  '99999999999999999999',
  "' OR 1=1 --",
  '%25',
  '',
  '!_%',
]

function hostileRequest(random: SeededRandom, token: string): (string | Uint8Array)[] {
  const method = random.pick(['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD'])
  const query = Array.from(
    { length: random.int(0, 3) },
    () => `${random.pick(parameters)}=${random.pick(values)}`,
  )
  const path = `/api/v1${random.pick(paths)}${query.length > 0 ? `?${query.join('&')}` : ''}`
  const body = random.chance(0.7) ? mutate(random, goodBody) : ''
  const bytes = Buffer.from(body)
  if (random.chance(0.1) && bytes.length > 0) bytes[random.int(0, bytes.length - 1)] = 0xff
  const headers = [
    'host: x',
    'connection: close',
    `content-length: ${bytes.length}`,
    random.pick([
      `authorization: Bearer ${token}`,
      'authorization: Bearer',
      'authorization: Basic eA==',
      'x-x: 1',
    ]),
    random.pick([
      'idempotency-key: "a"',
      'idempotency-key: \u{e9}',
      'idempotency-key: "a',
      'accept: */*',
      'if-match: x',
    ]),
  ]
  return [`${method} ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`, bytes]
}

test(`no request is answered with a 5xx, and each with JSON (seed ${seed})`, { timeout: 60_000 }, () =>
  withDoor(async (door) => {
    const random = createSeededRandom(seed + 2)
    let token = await join(door, 'Bo')
    const address = { host: '127.0.0.1', port: door.port }
    const seen = new Map<number, number>()
    const one = async (): Promise<void> => {
      const pieces = hostileRequest(random, token)
      const { statuses, text } = await sendRaw(address, pieces, { ends: false })
      const [status = 0] = statuses
      const what = `${String(pieces[0])}${String(pieces[1])}`.slice(0, 2_000)
      assert.ok(status >= 200 && status < 500, `${status} for ${what}`)
      const body = text.slice(text.indexOf('\r\n\r\n') + 4)
      if (body !== '') assert.equal(typeof JSON.parse(Buffer.from(body, 'latin1').toString()), 'object', what)
      seen.set(status, (seen.get(status) ?? 0) + 1)
    }
    for (let round = 0; round < 60; round++) {
      await Promise.all(Array.from({ length: 8 }, one))
      // One of them may have been a logout.
      token = await join(door, 'Bo')
    }
    for (const status of [200, 400, 401, 404, 405]) assert.ok(seen.has(status), `no ${status}`)
    assert.deepEqual(door.failures, [])
    assert.equal((await door.call('GET', '/ai/list', undefined, token)).status, 200)
  }),
)

test('a body that is too large is refused, and one that stops halfway is cut', { timeout: 60_000 }, () =>
  withDoor(async (door) => {
    const address = { host: '127.0.0.1', port: door.port }
    const head = 'POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\nconnection: close\r\n'
    const [large, half, slow] = await Promise.all([
      sendRaw(address, [`${head}content-length: 2000000\r\n\r\n`, 'x'.repeat(2_000_000)], { ends: false }),
      sendRaw(address, [`${head}content-length: 100\r\n\r\n{"ai_`], { ends: false, patienceMs: 20_000 }),
      sendRaw(address, [`${head}content-len`], { ends: false, patienceMs: 20_000 }),
    ])
    assert.deepEqual(large.statuses, [413])
    assert.deepEqual([half.end === 'patience', slow.end === 'patience'], [false, false])
    for (const { statuses } of [half, slow])
      assert.ok(statuses.every((status) => status === 408 || status === 400))
    assert.deepEqual(door.failures, [])
  }),
)
