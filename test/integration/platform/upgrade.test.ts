import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import type { HttpServer } from '../../../src/platform/http.ts'
import { createNodeHttp } from '../../../src/platform/node/http-client.ts'
import { createNodeHttpListener } from '../../../src/platform/node/http-server.ts'
import { createNodeTransport } from '../../../src/platform/node/transport.ts'
import type { AcceptConnection } from '../../../src/platform/transport.ts'
import { answerOf, requestOf, textOf } from '../../helpers/http-behaviour.ts'
import '../../helpers/leaks.ts'
import { sendRaw } from '../../helpers/raw-http.ts'
import { connect, createAcceptor, frameBytesMax, urlOf } from '../../helpers/transport-behaviour.ts'

const transport = createNodeTransport()
const loopback = { host: '127.0.0.1', port: 0 }

type Server = HttpServer & { readonly address: { readonly port: number } }

async function withServer(
  accept: AcceptConnection,
  run: (server: Server) => Promise<void>,
  options: Parameters<typeof createNodeHttpListener>[0] = {},
): Promise<void> {
  const upgrade = { frameBytesMax, accept }
  const server = await createNodeHttpListener(options).listen(
    loopback,
    { bodyBytesMax: 1_000, upgrade },
    async ({ path: target }) => {
      if (target === '/slow') await new Promise((resolve) => setTimeout(resolve, 200))
      return answerOf(target)
    },
  )
  try {
    await run(server as Server)
  } finally {
    await server.close(0)
  }
}

const handshake = (lines: readonly string[] = [], method = 'GET'): string =>
  [
    `${method} /ws HTTP/1.1`,
    'Host: x',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    ...lines,
    '\r\n',
  ].join('\r\n')
const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
const noAccept: AcceptConnection = () => assert.fail('this is no handshake')

test('cuts an upgrade that is sent by halves', () =>
  withServer(
    noAccept,
    async ({ address: { port } }) => {
      const pieces = [handshake([key]).slice(0, -4)]
      const { statuses } = await sendRaw({ port, host: '127.0.0.1' }, pieces, { ends: false })
      assert.deepEqual(statuses, [408])
    },
    { requestTimeoutMs: 200 },
  ))

for (const [what, text] of [
  ['without a key', handshake()],
  ['with a key that is none', handshake(['Sec-WebSocket-Key: x'])],
  ['of another version', handshake([key, 'Sec-WebSocket-Version: 7'])],
  ['that is no GET', handshake([key], 'PUT')],
  ['with a bad list of protocols', handshake([key, 'Sec-WebSocket-Protocol: ,,'])],
  ['of a path that is none', handshake([key]).replace('/ws', '*')],
] as const) {
  test(`answers 400 to a handshake ${what}`, () =>
    withServer(noAccept, async ({ address }) => {
      const raw = await sendRaw({ port: address.port, host: '127.0.0.1' }, [text], { ends: false })
      assert.deepEqual([raw.statuses, raw.end], [[400], 'closed'])
      const { success, code } = JSON.parse(raw.text.split('\r\n\r\n')[1]!)
      assert.deepEqual([success, code], [false, 'ERR_USAGE'])
      // And goes on.
      const response = await createNodeHttp().request(address, requestOf('/'), { timeoutMs: 5_000 })
      assert.equal(response.status, 200)
    }))
}

test('gives a refusal a body of JSON', () =>
  withServer(
    () => ({ status: 401 }),
    async ({ address: { port } }) => {
      const { text } = await sendRaw({ port, host: '127.0.0.1' }, [handshake([key])], { ends: false })
      assert.match(text, /^HTTP\/1\.1 401 Unauthorized\r\ncontent-type: application\/json/)
      assert.equal(JSON.parse(text.split('\r\n\r\n')[1]!).success, false)
    },
  ))

test('answers a request that offers another protocol as if it did not', () =>
  withServer(noAccept, async ({ address: { port } }) => {
    const text = 'GET /h2 HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n'
    assert.deepEqual((await sendRaw({ port, host: '127.0.0.1' }, [text])).statuses, [200])
  }))

test('does not mix frames with the answers to earlier requests', () =>
  withServer(noAccept, async ({ address: { port } }) => {
    const text = `GET /slow HTTP/1.1\r\nhost: x\r\n\r\n${handshake([key])}`
    const { statuses } = await sendRaw({ port, host: '127.0.0.1' }, [text], { ends: false })
    assert.deepEqual(statuses, [])
  }))

test('survives clients that vanish in the middle of the handshake', async () => {
  const { accept, next } = createAcceptor()
  let accepted = 0
  let closed = 0
  const count: AcceptConnection = (upgrade, connection) => {
    accepted += 1
    void next().then((peer) => peer.closed.then(() => (closed += 1)))
    return accept(upgrade, connection)
  }
  await withServer(count, async (server) => {
    for (let round = 0; round < 60; round += 1) {
      const socket = net.connect(server.address.port, '127.0.0.1')
      await new Promise((resolve) => socket.once('connect', resolve))
      socket.write(handshake(round % 3 === 0 ? [] : [key]))
      if (round % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
      socket.resetAndDestroy()
    }
    const client = connect(transport, urlOf(server))
    await client.seen('open')
  })
  assert.ok(accepted > 1)
  assert.equal(closed, accepted)
})

test('closes on a binary frame, and takes nothing in after it', async () => {
  const { accept, next } = createAcceptor()
  await withServer(accept, async (server) => {
    const client = new WebSocket(urlOf(server))
    const code = new Promise((resolve) => client.once('close', resolve))
    client.once('open', () => {
      client.send(Buffer.from('binary'))
      client.send('text')
    })
    const peer = await next()
    assert.deepEqual(await peer.closed, { code: 1003, reason: 'frames are text' })
    assert.equal(await code, 1003)
    assert.deepEqual(peer.events, ['open', 'close'])
  })
})

test('hears frames that came together with the handshake, after its opening', async () => {
  const { accept, next } = createAcceptor()
  await withServer(accept, async ({ address: { port } }) => {
    // "hi", masked with zeros (RFC 6455 5.2).
    const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])
    const socket = net.connect(port, '127.0.0.1')
    socket.write(Buffer.concat([Buffer.from(handshake([key])), frame]))
    const peer = await next()
    await peer.seen('hi')
    socket.destroy()
    assert.equal((await peer.closed).code, 1006)
    assert.deepEqual(peer.events, ['open', 'hi', 'close'])
  })
})

test('notices a client that is gone without a word', async () => {
  const { accept, next } = createAcceptor()
  await withServer(accept, async (server) => {
    const client = connect(transport, urlOf(server))
    const peer = await next()
    await client.seen('open')
    client.connection.terminate()
    assert.equal((await peer.closed).code, 1006)
  })
})

test('counts requests and WebSockets against the same bound', () =>
  withServer(
    createAcceptor().accept,
    async (server) => {
      const first = connect(transport, urlOf(server))
      await first.seen('open')
      assert.equal((await connect(transport, urlOf(server)).closed).code, 1006)
      const request = createNodeHttp().request(server.address, requestOf('/'), { timeoutMs: 5_000 })
      await assert.rejects(request, { code: 'ERR_HTTP_UNREACHABLE' })
      first.connection.terminate()
      await first.closed
    },
    { connectionsMax: 1 },
  ))

test('leaves nothing of many connections, however they end', async () => {
  const { accept, next } = createAcceptor()
  await withServer(accept, async (server) => {
    const pairs = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const client = connect(transport, urlOf(server))
        await client.seen('open')
        return client
      }),
    )
    const peers = await Promise.all(pairs.map(() => next()))
    for (const { connection } of pairs.slice(0, 25)) connection.terminate()
    for (const { connection } of pairs.slice(25, 50)) connection.close(1_000, '')
    for (const { connection } of peers.slice(50, 75)) connection.terminate()
    // The rest is cut, as the server is.
    await server.close(50)
    await Promise.all([...pairs, ...peers].map(({ closed }) => closed))
    for (const { events } of [...pairs, ...peers]) assert.deepEqual(events, ['open', 'close'])
  })
})

test('serves WebSockets on a Unix socket, where a peer has no address', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'perdura-upgrade-'))
  const { accept, next } = createAcceptor()
  const addresses: (string | undefined)[] = []
  const socketPath = `${folder}/hub.sock`
  const upgrade: { frameBytesMax: number; accept: AcceptConnection } = {
    frameBytesMax,
    accept: (asked, connection) => {
      addresses.push(asked.remoteAddress)
      return accept(asked, connection)
    },
  }
  const server = await createNodeHttpListener().listen(
    { socketPath },
    { bodyBytesMax: 1, upgrade },
    async ({ remoteAddress }) => {
      addresses.push(remoteAddress)
      return answerOf('')
    },
  )
  const client = connect(transport, `ws+unix:${socketPath}:/ws`)
  await client.seen('open')
  client.connection.close(1_000, '')
  await (
    await next()
  ).closed
  await client.closed
  await createNodeHttp().request({ socketPath }, requestOf('/'), { timeoutMs: 5_000 })
  assert.deepEqual(addresses, ['', ''])
  await server.close(0)
  fs.rmSync(folder, { recursive: true })
})

test('tells a request from where it comes', async () => {
  const server = await createNodeHttpListener().listen(
    loopback,
    { bodyBytesMax: 1 },
    async ({ remoteAddress = 'nowhere' }) => answerOf(remoteAddress),
  )
  const response = await createNodeHttp().request(server.address, requestOf('/'), { timeoutMs: 5_000 })
  assert.equal(textOf(response), '127.0.0.1')
  await server.close(0)
})
