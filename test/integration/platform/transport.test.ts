import assert from 'node:assert/strict'
import http from 'node:http'
import net from 'node:net'
import { test } from 'node:test'
import { WebSocketServer, type WebSocket } from 'ws'
import { createNodeHttpListener } from '../../../src/platform/node/http-server.ts'
import { createNodeTransport } from '../../../src/platform/node/transport.ts'
import type { Connection } from '../../../src/platform/transport.ts'
import '../../helpers/leaks.ts'
import { testTransportBehaviour } from '../../helpers/transport-behaviour.ts'

testTransportBehaviour((run) =>
  run({
    transport: createNodeTransport(),
    listener: createNodeHttpListener(),
    settle: (promise) => promise,
  }),
)

interface Client {
  readonly connection: Connection
  readonly events: string[]
  /** Resolves with what `onClose` said. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string; readonly status?: number }>
  /** Resolves when this event has come. */
  seen(event: string): Promise<void>
}

interface Options {
  readonly headers?: Record<string, string>
  readonly onEvent?: (event: string, connection: Connection) => void
}

function connect(url: string, { headers = {}, onEvent }: Options = {}): Client {
  const events: string[] = []
  const closed = Promise.withResolvers<{ code: number; reason: string; status?: number }>()
  const waiting = new Map<string, () => void>()
  const record = (event: string): void => {
    events.push(event)
    waiting.get(event)?.()
    onEvent?.(event, connection)
  }
  const connection: Connection = createNodeTransport().connect(
    url,
    { headers, frameBytesMax: 1_000 },
    {
      onOpen: () => record('open'),
      onFrame: (frame) => record(frame),
      onClose: (close) => {
        record('close')
        closed.resolve(close)
      },
    },
  )
  const seen = (event: string): Promise<void> =>
    events.includes(event) ? Promise.resolve() : new Promise((resolve) => waiting.set(event, resolve))
  return { connection, events, closed: closed.promise, seen }
}

async function withServer(
  onConnection: (socket: WebSocket, request: http.IncomingMessage) => void,
  run: (url: string) => Promise<void>,
): Promise<void> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await new Promise((resolve) => server.once('listening', resolve))
  server.on('connection', onConnection)
  try {
    await run(`ws://127.0.0.1:${(server.address() as net.AddressInfo).port}/ws`)
  } finally {
    for (const socket of server.clients) socket.terminate()
    await new Promise((resolve) => server.close(resolve))
  }
}

test('carries frames both ways and sends the headers of the upgrade', () =>
  withServer(
    (socket, request) => {
      socket.send(`hello ${request.headers['authorization']}`)
      socket.on('message', (data) => socket.send(`echo ${(data as Buffer).toString()}`))
    },
    async (url) => {
      const client = connect(url, { headers: { authorization: 'Bearer secret' } })
      await client.seen('hello Bearer secret')
      client.connection.send('ü')
      await client.seen('echo ü')
      client.connection.close(4_000, 'bye')
      assert.deepEqual(await client.closed, { code: 4_000, reason: 'bye' })
      assert.deepEqual(client.events, ['open', 'hello Bearer secret', 'echo ü', 'close'])
    },
  ))

test('tells the code and the reason of a server that closes', () =>
  withServer(
    (socket) => socket.close(4_401, 'token expired'),
    async (url) => {
      assert.deepEqual(await connect(url).closed, { code: 4_401, reason: 'token expired' })
    },
  ))

test('takes a connection that is cut for one without a close frame', () =>
  withServer(
    (socket) => socket.terminate(),
    async (url) => {
      assert.equal((await connect(url).closed).code, 1006)
    },
  ))

test('drops a connection without a handshake, and hears nothing more of it', async () => {
  const gone = Promise.withResolvers<number>()
  await withServer(
    (socket) => {
      socket.on('close', (code) => gone.resolve(code))
      socket.send('first')
      socket.send('second')
    },
    async (url) => {
      const onEvent = (event: string, connection: Connection): void => {
        if (event === 'first') connection.terminate()
      }
      const client = connect(url, { onEvent })
      assert.equal((await client.closed).code, 1006)
      assert.equal(await gone.promise, 1006)
      assert.deepEqual(client.events, ['open', 'first', 'close'])
    },
  )
})

test('ends with one close however often it is ended', () =>
  withServer(
    () => {},
    async (url) => {
      const client = connect(url)
      await client.seen('open')
      client.connection.close(1_000, 'once')
      client.connection.close(1_000, 'twice')
      client.connection.terminate()
      await client.closed
      client.connection.terminate()
      client.connection.close(1_000, 'late')
      client.connection.send('late')
      await new Promise((resolve) => setImmediate(resolve))
      assert.deepEqual(client.events, ['open', 'close'])
    },
  ))

test('closes on a frame that is too large', () =>
  withServer(
    (socket) => socket.send('x'.repeat(1_001)),
    async (url) => {
      const client = connect(url)
      assert.equal((await client.closed).code, 1006)
      assert.deepEqual(client.events, ['open', 'close'])
    },
  ))

test('closes on a binary frame', async () => {
  const code = Promise.withResolvers<number>()
  await withServer(
    (socket) => {
      socket.on('close', (closed) => code.resolve(closed))
      socket.send(Buffer.from('binary'))
    },
    async (url) => {
      await connect(url).closed
      assert.equal(await code.promise, 1003)
    },
  )
})

test('tells the status with which an upgrade was refused', async () => {
  const server = http.createServer((_, response) => response.writeHead(401).end('no'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = connect(`ws://127.0.0.1:${(server.address() as net.AddressInfo).port}/`)
  assert.deepEqual(await client.closed, {
    code: 1006,
    reason: 'the upgrade was refused with 401',
    status: 401,
  })
  assert.deepEqual(client.events, ['close'])
  await new Promise((resolve) => server.close(resolve))
})

test('tells that nobody is there', async () => {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo
  await new Promise((resolve) => server.close(resolve))
  const client = connect(`ws://127.0.0.1:${port}/`)
  const { code, reason } = await client.closed
  assert.equal(code, 1006)
  assert.match(reason, /ECONNREFUSED/)
})

test('tells that a URL is none, not from within the call', async () => {
  const client = connect('no url')
  assert.deepEqual(client.events, [])
  assert.equal((await client.closed).code, 1006)
})

test('is called off while it connects', async () => {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  for (const end of ['terminate', 'close'] as const) {
    const client = connect(`ws://127.0.0.1:${(server.address() as net.AddressInfo).port}/`)
    assert.throws(() => client.connection.send('early'), /before the connection was open/)
    client.connection[end](1_000, 'changed my mind')
    assert.deepEqual(client.events, [])
    assert.equal((await client.closed).code, 1006)
    assert.deepEqual(client.events, ['close'])
  }
  await new Promise((resolve) => server.close(resolve))
})

test('counts what waits to be sent', () =>
  withServer(
    (socket) => socket.pause(),
    async (url) => {
      const client = connect(url)
      await client.seen('open')
      assert.equal(client.connection.bufferedBytes, 0)
      for (let count = 0; count < 200; count += 1) client.connection.send('x'.repeat(100_000))
      assert.ok(client.connection.bufferedBytes > 1_000_000)
      client.connection.terminate()
      await client.closed
    },
  ))
