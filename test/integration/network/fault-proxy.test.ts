import '../../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../helpers/command-line.ts'
import { FaultProxy, type ProxiedConnection } from '../../helpers/fault-proxy.ts'

test('carries bytes both ways, and counts them', () =>
  withLine(async ({ proxy, client, server }) => {
    client.say('hello')
    await server.heard('hello')
    server.say('and back')
    await client.heard('and back')
    assert.deepEqual(proxy.counts, { connections: 1, refused: 0, resets: 0, upBytes: 5, downBytes: 8 })
  }))

test('passes an end on as an end, and what goes the other way still goes', () =>
  withLine(async ({ client, server }) => {
    client.socket.end('the last')
    await server.heard('the last')
    await until('the server is told', () => server.ended)
    server.say('still here')
    await client.heard('still here')
    server.socket.end()
    await until('both are gone', () => client.closed && server.closed)
  }))

test('passes a reset on as a reset', () =>
  withLine(async ({ client, server }) => {
    client.socket.resetAndDestroy()
    await until('the server is told', () => server.closed)
    assert.equal(server.error, 'ECONNRESET')
  }))

test('a black hole passes nothing and tells nobody, and what was sent comes when it is over', () =>
  withLine(async ({ proxy, client, server }) => {
    proxy.blackHole()
    client.say('into the dark')
    server.say('likewise')
    await sleep(60)
    assert.deepEqual([client.text, server.text], ['', ''])
    proxy.heal()
    await server.heard('into the dark')
    await client.heard('likewise')
  }))

test('nor does it tell of an end or a reset before it is over', () =>
  withLine(async ({ proxy, client, server }) => {
    proxy.blackHole()
    client.socket.resetAndDestroy()
    await sleep(60)
    assert.ok(!server.closed)
    proxy.heal()
    await until('the server is told', () => server.closed)
  }))

test('a connection that is opened into a black hole hears nothing', async () => {
  await using echo = await Echo.open()
  await using proxy = await open(echo.port)
  proxy.blackHole()
  const client = new End(net.connect(proxy.port))
  client.say('anybody?')
  await sleep(60)
  assert.equal(client.text, '')
  proxy.heal()
  await client.heard('anybody?')
  client.socket.destroy()
})

test('one-way: what goes down passes, what goes up does not', () =>
  withLine(async ({ proxy, client, server }) => {
    proxy.blackHole('up')
    client.say('up')
    server.say('down')
    await client.heard('down')
    await sleep(30)
    assert.equal(server.text, '')
    proxy.heal()
    await server.heard('up')
  }))

test('half-open: one side is gone, and the other is never told, whatever it says', () =>
  withLine(async ({ connection, client, server }) => {
    connection.lose('client')
    await until('the client is told', () => client.closed)
    server.say('are you there?')
    server.say('x'.repeat(100_000))
    await sleep(60)
    assert.ok(!server.closed && !server.ended)
    server.socket.end()
    await until('and is gone by its own doing', () => server.closed)
  }))

test('half-open the other way round', () =>
  withLine(async ({ connection, client, server }) => {
    connection.lose('server')
    await until('the server is told', () => server.closed)
    client.say('are you there?')
    await sleep(60)
    assert.ok(!client.closed && !client.ended)
  }))

test('delays by what it is told, and keeps the order under jitter', () =>
  withLine(async ({ proxy, client, server }) => {
    proxy.disturb({ delayMs: 40, jitterMs: 30 }, 'up')
    const startedMs = performance.now()
    let wanted = ''
    for (let n = 0; n < 20; n += 1) {
      client.say(`${n},`)
      wanted += `${n},`
      await sleep(1)
    }
    await server.heard(wanted)
    assert.ok(performance.now() - startedMs >= 40)
  }))

test('throttles to so many bytes a second', () =>
  withLine(async ({ proxy, client, server }) => {
    proxy.disturb({ bytesPerSecond: 20_000 })
    const startedMs = performance.now()
    client.say('x'.repeat(10_000))
    await until('all of it has come', () => server.text.length === 10_000)
    // The last piece need not be waited for.
    assert.ok(performance.now() - startedMs >= 350)
  }))

test('slices what it carries, and the bytes are the same', () =>
  withLine(async ({ proxy, client, server }) => {
    proxy.disturb({ sliceBytes: 7 })
    const text = Array.from({ length: 100 }, (_, n) => `${n} `).join('')
    client.say(text)
    await server.heard(text)
    assert.ok(server.pieces >= text.length / 7 / 2, `${server.pieces} pieces`)
  }))

test('makes whoever writes too much wait, instead of holding it all', () =>
  withLine(async ({ proxy, client, server }) => {
    proxy.disturb({ bytesPerSecond: 1_000 }, 'up')
    const megabytes = 32
    for (let n = 0; n < megabytes; n += 1) client.socket.write(Buffer.alloc(1024 * 1024, 'x'))
    await sleep(100)
    assert.ok(client.socket.writableLength > 8 * 1024 * 1024, `${client.socket.writableLength} bytes wait`)
    proxy.heal()
    await until('all of it has come', () => server.bytes === megabytes * 1024 * 1024)
  }))

test('resets both sides of every connection, or of one', async () => {
  await using echo = await Echo.open()
  await using proxy = await open(echo.port)
  const clients = [1, 2, 3].map(() => new End(net.connect(proxy.port)))
  await until('all are there', () => proxy.connections.length === 3 && echo.ends.length === 3)
  proxy.connections[0]?.reset()
  await until('one is gone', () => clients.filter(({ closed }) => closed).length === 1)
  await until('on both sides', () => echo.ends.filter(({ closed }) => closed).length === 1)
  proxy.reset()
  await until('all are gone', () => [...clients, ...echo.ends].every(({ closed }) => closed))
  assert.ok(clients.every(({ error }) => error === 'ECONNRESET'))
  assert.equal(proxy.counts.resets, 3)
  await until('and forgotten', () => proxy.connections.length === 0)
})

test('faults of one connection are its own', async () => {
  await using echo = await Echo.open()
  await using proxy = await open(echo.port)
  const [one, other] = [new End(net.connect(proxy.port)), new End(net.connect(proxy.port))]
  await until('both are there', () => proxy.connections.length === 2)
  const [first, second] = proxy.connections
  first?.disturb({ blocked: true })
  second?.disturb({})
  for (const end of [one, other]) end.say('hello')
  await until('one has an answer', () => [one, other].some(({ text }) => text === 'hello'))
  await sleep(30)
  assert.deepEqual([one.text, other.text].toSorted(), ['', 'hello'])
  first?.heal()
  await until('both have', () => [one, other].every(({ text }) => text === 'hello'))
  one.socket.destroy()
  other.socket.destroy()
})

test('refuses new connections, keeps those that are open, and accepts again at the same port', () =>
  withLine(async ({ proxy, client, server }) => {
    const { port } = proxy
    await proxy.refuse()
    const [error] = (await once(net.connect(port), 'error')) as [NodeJS.ErrnoException]
    assert.equal(error.code, 'ECONNREFUSED')
    client.say('still')
    await server.heard('still')
    await proxy.accept()
    assert.equal(proxy.port, port)
    const again = net.connect(port)
    await once(again, 'connect')
    again.destroy()
  }))

test('leads on to wherever the server is now, and tells the client where there is none', async () => {
  await using echo = await Echo.open()
  await using proxy = await open(echo.port)
  await echo[Symbol.asyncDispose]()
  const lost = new End(net.connect(proxy.port))
  await until('it is told', () => lost.closed)
  await using other = await Echo.open()
  proxy.target = { port: other.port }
  const client = new End(net.connect(proxy.port))
  client.say('hello')
  await client.heard('hello')
  client.socket.destroy()
})

test('the same seed cuts the same pieces', async () => {
  const sizes = async (seed: number): Promise<number[]> => {
    await using echo = await Echo.open()
    await using proxy = await open(echo.port, seed)
    proxy.disturb({ sliceBytes: 64 }, 'up')
    const passed: number[] = []
    const client = new End(net.connect(proxy.port))
    await until('it is there', () => proxy.connections.length === 1)
    let before = 0
    const counts = proxy.counts
    Object.defineProperty(proxy.counts, 'upBytes', {
      get: () => before,
      set: (value: number) => {
        passed.push(value - before)
        before = value
      },
    })
    client.say('x'.repeat(1_000))
    await until('all has passed', () => counts.upBytes === 1_000)
    client.socket.destroy()
    return passed
  }
  assert.deepEqual(await sizes(5), await sizes(5))
  assert.notDeepEqual(await sizes(5), await sizes(6))
})

/** One end of a connection, and all that it has heard. */
class End {
  readonly socket: net.Socket
  text = ''
  bytes = 0
  pieces = 0
  ended = false
  closed = false
  error = ''

  constructor(socket: net.Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (data) => {
      this.pieces += 1
      this.bytes += data.length
      // What is only large is only counted.
      if (this.bytes < 1_000_000) this.text += data.toString()
    })
    socket.on('end', () => (this.ended = true))
    socket.on('close', () => (this.closed = true))
    socket.on('error', (error: NodeJS.ErrnoException) => (this.error = error.code ?? ''))
  }

  say(text: string): void {
    this.socket.write(text)
  }

  heard(text: string): Promise<void> {
    return until(`it hears ${JSON.stringify(text.slice(0, 40))}`, () => this.text === text)
  }
}

/** A server that says what it hears, or nothing. */
class Echo {
  readonly ends: End[] = []
  readonly #server: net.Server

  private constructor(server: net.Server) {
    this.#server = server
  }

  static async open(answers = true): Promise<Echo> {
    const server = net.createServer({ allowHalfOpen: true })
    const echo = new Echo(server)
    server.on('connection', (socket) => {
      echo.ends.push(new End(socket))
      if (answers) socket.on('data', (data) => socket.write(data))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return echo
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.ends) socket.destroy()
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve))
  }
}

function open(port: number, seed = 1): Promise<FaultProxy> {
  return FaultProxy.open({ target: { port }, seed })
}

interface Line {
  readonly proxy: FaultProxy
  readonly connection: ProxiedConnection
  readonly client: End
  readonly server: End
}

/** A client and a server with the proxy between them. */
async function withLine(use: (line: Line) => Promise<void>): Promise<void> {
  await using silent = await Echo.open(false)
  await using proxy = await open(silent.port)
  const client = new End(net.connect({ port: proxy.port, allowHalfOpen: true }))
  await until('both are there', () => silent.ends.length === 1 && proxy.connections.length === 1)
  const [server] = silent.ends
  const [connection] = proxy.connections
  if (server === undefined || connection === undefined) throw new Error('nobody is there')
  try {
    await use({ proxy, connection, client, server })
  } finally {
    client.socket.destroy()
  }
}
