import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { describe, test } from 'node:test'
import type { HttpAddress, HttpServer } from '../../../src/platform/http.ts'
import { createNodeHttp } from '../../../src/platform/node/http-client.ts'
import { createNodeHttpListener } from '../../../src/platform/node/http-server.ts'
import { answerOf, requestOf, testHttpBehaviour, textOf } from '../../helpers/http-behaviour.ts'

type Handle = Parameters<ReturnType<typeof createNodeHttpListener>['listen']>[2]

const bounds = { bodyBytesMax: 1_000 }
const timeoutMs = 5_000
const loopback = { host: '127.0.0.1', port: 0 }
const http = createNodeHttp()

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'perdura-http-'))
  try {
    await run(folder)
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

async function withServer(
  run: (server: HttpServer & { readonly address: { readonly port: number } }) => Promise<void>,
  handle: Handle = async ({ path: target }) => answerOf(target),
  options: Parameters<typeof createNodeHttpListener>[0] = {},
): Promise<void> {
  const server = await createNodeHttpListener(options).listen(loopback, bounds, handle)
  try {
    await run(server as HttpServer & { address: { port: number } })
  } finally {
    await server.close(0)
  }
}

/** Everything that the server sends on one connection until it closes it. */
function exchange(port: number, ...parts: (string | Buffer)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1')
    let received = ''
    for (const part of parts) socket.write(part)
    socket.on('data', (chunk) => (received += chunk.toString()))
    socket.on('close', () => resolve(received))
    socket.on('error', reject)
  })
}

describe('over TCP', () => {
  testHttpBehaviour((run) =>
    run({ http, listener: createNodeHttpListener(), address: () => loopback, settle: (promise) => promise }),
  )
})

describe('over a Unix socket', () => {
  testHttpBehaviour((run) =>
    withFolder((folder) => {
      let count = 0
      const address = (): HttpAddress => ({ socketPath: `${folder}/${(count += 1)}.sock` })
      return run({ http, listener: createNodeHttpListener(), address, settle: (promise) => promise })
    }),
  )
})

test('opens a socket for its owner alone, and takes it away when it closes', () =>
  withFolder(async (folder) => {
    const socketPath = `${folder}/control.sock`
    const server = await createNodeHttpListener().listen({ socketPath }, bounds, async () => answerOf(''))
    assert.equal(fs.statSync(socketPath).mode & 0o777, 0o600)
    await server.close(0)
    assert.equal(fs.existsSync(socketPath), false)
  }))

test('takes over a socket on which nobody answers', () =>
  withFolder(async (folder) => {
    const socketPath = `${folder}/control.sock`
    const other = net.createServer().listen(`${folder}/killed.sock`)
    await new Promise((resolve) => other.once('listening', resolve))
    // What a killed process leaves: the file, and nobody behind it.
    fs.linkSync(`${folder}/killed.sock`, socketPath)
    await new Promise((resolve) => other.close(resolve))
    assert.ok(fs.lstatSync(socketPath).isSocket())
    const server = await createNodeHttpListener().listen({ socketPath }, bounds, async () => answerOf('mine'))
    assert.equal(textOf(await http.request({ socketPath }, requestOf('/'), { timeoutMs })), 'mine')
    await server.close(0)
  }))

test('leaves a file alone that is no socket', () =>
  withFolder(async (folder) => {
    const socketPath = `${folder}/control.sock`
    fs.writeFileSync(socketPath, 'precious')
    const listening = createNodeHttpListener().listen({ socketPath }, bounds, async () => answerOf(''))
    await assert.rejects(listening, { code: 'ERR_PORT_IN_USE' })
    assert.equal(fs.readFileSync(socketPath, 'utf8'), 'precious')
  }))

test('says what to do about a socket path that is too long', async () => {
  const socketPath = `/tmp/${'x'.repeat(96)}`
  const listening = createNodeHttpListener().listen({ socketPath }, bounds, async () => answerOf(''))
  await assert.rejects(listening, {
    code: 'ERR_USAGE',
    message: /101 bytes long, and the system takes 100.*--home/,
  })
})

test('says what to do about an address that cannot be had', async () => {
  const listen = (address: HttpAddress): Promise<unknown> =>
    createNodeHttpListener().listen(address, bounds, async () => answerOf(''))
  await assert.rejects(listen({ host: '192.0.2.1', port: 0 }), {
    code: 'ERR_USAGE',
    message: /cannot listen on 192\.0\.2\.1:0 \(EADDRNOTAVAIL\)/,
  })
  await assert.rejects(listen({ socketPath: '/nonexistent/control.sock' }), {
    code: 'ERR_USAGE',
    message: /check that its folder exists/,
  })
})

test('names the port that is in use, and what to do', () =>
  withServer(async ({ address }) => {
    const listening = createNodeHttpListener().listen(address, bounds, async () => answerOf(''))
    await assert.rejects(listening, {
      code: 'ERR_PORT_IN_USE',
      message: `port ${address.port} is in use on 127.0.0.1; stop what listens there, or choose another port`,
    })
  }))

test('answers 400 to what is not HTTP', () =>
  withServer(async ({ address }) => {
    const answer = await exchange(address.port, 'WHAT?\r\n\r\n')
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.equal(JSON.parse(answer.split('\r\n\r\n')[1]!).code, 'ERR_USAGE')
  }))

test('answers 400 to a path that is none', () =>
  withServer(async ({ address }) => {
    const answer = await exchange(address.port, 'OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    assert.match(answer, /^HTTP\/1\.1 400 /)
  }))

test('answers 431 to a header that is too large', () =>
  withServer(async ({ address }) => {
    const answer = await exchange(
      address.port,
      `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
    )
    assert.match(answer, /^HTTP\/1\.1 431 /)
  }))

for (const [what, part] of [
  ['never begins', ''],
  ['stops in its header', 'GET / HTTP/1.1\r\nhost:'],
  ['stops in its body', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc'],
] as const) {
  test(`cuts a request that ${what}`, () =>
    withServer(
      async ({ address }) => {
        const answer = await exchange(address.port, part)
        assert.match(answer, /^HTTP\/1\.1 408 /)
      },
      undefined,
      { requestTimeoutMs: 200 },
    ))
}

test('refuses a large body of unknown length without reading it whole', () =>
  withServer(async ({ address }) => {
    const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`
    const head = 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n'
    const answer = await exchange(address.port, head, ...Array.from({ length: 20 }, () => chunk), '0\r\n\r\n')
    assert.match(answer, /^HTTP\/1\.1 413 /)
    assert.equal(JSON.parse(answer.split('\r\n\r\n')[1]!).code, 'ERR_PAYLOAD_TOO_LARGE')
  }))

test('lets the client see the 413 although it was still sending megabytes', () =>
  withServer(async ({ address }) => {
    const response = await http.request(address, requestOf('/', 'x'.repeat(4_000_000)), { timeoutMs })
    assert.equal(response.status, 413)
  }))

test('refuses a large body before a client that asks first has sent it', () =>
  withServer(async ({ address }) => {
    const head = 'POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5000\r\n\r\n'
    assert.match(await exchange(address.port, head), /^HTTP\/1\.1 413 /)
  }))

test('tells a client that asks first to go on', () =>
  withServer(async ({ address }) => {
    const head =
      'POST /a HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\nconnection: close\r\n\r\n'
    const answer = await exchange(address.port, head, 'abc')
    assert.match(answer, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
  }))

test('serves several requests on one connection', () =>
  withServer(async ({ address }) => {
    const one = 'GET /one HTTP/1.1\r\nhost: x\r\n\r\n'
    const two = 'GET /two HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'
    const answer = await exchange(address.port, one, two)
    assert.match(answer, /\/oneHTTP\/1\.1 200/)
    assert.match(answer, /\/two$/)
  }))

test('answers 500 to a header that the handler must not send', async () => {
  await withServer(
    async ({ address }) => {
      const response = await http.request(address, requestOf('/'), { timeoutMs })
      assert.equal(response.status, 500)
    },
    async () => ({ ...answerOf(''), headers: { 'x-bad': 'a\r\nb' } }),
  )
})

test('answers 204 without a body', async () => {
  await withServer(
    async ({ address }) => {
      const response = await http.request(address, requestOf('/'), { timeoutMs })
      assert.equal(response.status, 204)
      assert.equal(response.headers['content-length'], undefined)
    },
    async () => ({ status: 204, headers: {}, body: Buffer.alloc(0) }),
  )
})

test('closes at once when only idle connections are left', () =>
  withServer(async (server) => {
    const idle = net.connect(server.address.port, '127.0.0.1')
    await new Promise((resolve) => idle.once('connect', resolve))
    idle.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await new Promise((resolve) => idle.once('data', resolve))
    const closed = new Promise((resolve) => idle.once('close', resolve))
    await server.close(60_000)
    await server.close(60_000)
    await closed
  }))

test('closes further connections than it may have', () =>
  withServer(
    async ({ address }) => {
      const first = net.connect(address.port, '127.0.0.1')
      await new Promise((resolve) => first.once('connect', resolve))
      first.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
      await new Promise((resolve) => first.once('data', resolve))
      assert.equal(await exchange(address.port), '')
      first.destroy()
    },
    undefined,
    { connectionsMax: 1 },
  ))

test('does not take in an answer that is too large', () =>
  withServer(
    async ({ address }) => {
      const bounded = createNodeHttp({ responseBytesMax: 1_000 })
      await assert.rejects(bounded.request(address, requestOf('/'), { timeoutMs }), {
        code: 'ERR_PAYLOAD_TOO_LARGE',
        details: { status: 200 },
      })
      assert.equal((await http.request(address, requestOf('/'), { timeoutMs })).body.length, 100_000)
    },
    async () => answerOf('x'.repeat(100_000)),
  ))

test('takes an answer that breaks off for none', async () => {
  const server = net.createServer((socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly a part'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo
  const request = http.request({ host: '127.0.0.1', port }, requestOf('/'), { timeoutMs })
  await assert.rejects(request, { code: 'ERR_HTTP_UNREACHABLE', message: /hung up/ })
  await new Promise((resolve) => server.close(resolve))
})

test('is unreachable where the name or the socket does not exist', async () => {
  for (const address of [{ host: 'no-such-host.invalid', port: 1 }, { socketPath: '/nonexistent/x.sock' }]) {
    await assert.rejects(http.request(address, requestOf('/'), { timeoutMs }), {
      code: 'ERR_HTTP_UNREACHABLE',
      message: /no connection could be made/,
    })
  }
})

test('rejects a request that cannot be written', async () => {
  const address = { host: '127.0.0.1', port: 1 }
  await assert.rejects(http.request(address, requestOf('/a b'), { timeoutMs }), TypeError)
  await assert.rejects(http.request(address, requestOf('/', '', { x: 'a\nb' }), { timeoutMs }), TypeError)
})
