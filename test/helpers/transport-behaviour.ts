import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../src/errors.ts'
import type { HttpAddress, HttpListener, HttpServer } from '../../src/platform/http.ts'
import type { AcceptConnection, Connection, ConnectionSink, Transport } from '../../src/platform/transport.ts'
import { answerOf } from './http-behaviour.ts'

export interface TransportUnderTest {
  readonly transport: Transport
  readonly listener: HttpListener
  /** Waits for what the network does by itself. */
  settle<T>(promise: Promise<T>): Promise<T>
}

type Close = Parameters<ConnectionSink['onClose']>[0]

/** One side of a connection, and what was told to its sink. */
export interface Peer {
  readonly connection: Connection
  readonly sink: ConnectionSink
  readonly events: string[]
  readonly closed: Promise<Close>
  /** Resolves when this event has come. */
  seen(event: string): Promise<void>
}

type OnEvent = (event: string, connection: Connection) => void

function createPeer(open: (sink: ConnectionSink) => Connection, onEvent?: OnEvent): Peer {
  const events: string[] = []
  const waiting = new Map<string, () => void>()
  const closed = Promise.withResolvers<Close>()
  const record = (event: string): void => {
    events.push(event)
    waiting.get(event)?.()
    onEvent?.(event, connection)
  }
  const sink: ConnectionSink = {
    onOpen: () => record('open'),
    onFrame: (frame) => record(frame),
    onPong: () => record('pong'),
    onClose: (close) => {
      record('close')
      closed.resolve(close)
    },
  }
  const connection: Connection = open(sink)
  const seen = (event: string): Promise<void> =>
    events.includes(event) ? Promise.resolve() : new Promise((resolve) => waiting.set(event, resolve))
  return { connection, sink, events, closed: closed.promise, seen }
}

export const frameBytesMax = 1_000

export function connect(transport: Transport, url: string, onEvent?: OnEvent): Peer {
  const options = { headers: { Authorization: 'Bearer secret' }, frameBytesMax }
  return createPeer((sink) => transport.connect(url, options, sink), onEvent)
}

/** Accepts everything, and hands over the peers in the order in which they came. */
export function createAcceptor(onEvent?: OnEvent): {
  readonly accept: AcceptConnection
  next(): Promise<Peer>
} {
  const peers: Peer[] = []
  const waiting: ((peer: Peer) => void)[] = []
  const accept: AcceptConnection = (_, connection) => {
    const peer = createPeer(() => connection, onEvent)
    const take = waiting.shift()
    if (take === undefined) peers.push(peer)
    else take(peer)
    return peer.sink
  }
  const next = (): Promise<Peer> => {
    const peer = peers.shift()
    return peer === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(peer)
  }
  return { accept, next }
}

export const urlOf = ({ address }: { readonly address: HttpAddress }, path = '/ws'): string =>
  `ws://127.0.0.1:${'port' in address ? address.port : ''}${path}`

/** What WebSockets do, the real ones and the simulated ones alike. */
export function testTransportBehaviour(
  withTransport: (run: (under: TransportUnderTest) => Promise<void>) => Promise<void>,
): void {
  const fact = (name: string, run: (under: TransportUnderTest) => Promise<void>): void => {
    test(name, () => withTransport(run))
  }
  const errors: string[] = []
  const listen = (
    { listener, settle }: TransportUnderTest,
    accept: AcceptConnection,
  ): Promise<HttpServer> => {
    const onError = (error: Error): void => void errors.push(error.message)
    const options = { bodyBytesMax: 1_000, onError, upgrade: { frameBytesMax, accept } }
    return settle(listener.listen({ host: '127.0.0.1', port: 0 }, options, async () => answerOf('plain')))
  }
  /** A server, and one connection to it that is open on both sides. */
  const pair = async (
    under: TransportUnderTest,
    run: (client: Peer, server: Peer, listening: HttpServer) => Promise<void>,
    onEvent: { readonly client?: OnEvent; readonly server?: OnEvent } = {},
  ): Promise<void> => {
    const { accept, next } = createAcceptor(onEvent.server)
    const listening = await listen(under, accept)
    const client = connect(under.transport, urlOf(listening), onEvent.client)
    const server = await under.settle(next())
    await under.settle(Promise.all([client.seen('open'), server.seen('open')]))
    await run(client, server, listening)
    await under.settle(listening.close(0))
    for (const { events } of [client, server]) {
      assert.deepEqual(
        events.filter((event) => event === 'close'),
        ['close'],
      )
      assert.equal(events.at(-1), 'close')
    }
  }

  fact('says who wants a WebSocket, and carries frames both ways, in order', async (under) => {
    const upgrades: unknown[] = []
    const acceptor = createAcceptor((event, connection) => {
      if (event !== 'open' && event !== 'close') connection.send(`echo ${event}`)
    })
    const listening = await listen(under, (upgrade, connection) => {
      const { path, headers, remoteAddress } = upgrade
      upgrades.push([path, headers['authorization'], remoteAddress])
      return acceptor.accept(upgrade, connection)
    })
    const client = connect(under.transport, urlOf(listening, '/api/v1/ws?x=1'))
    await under.settle(client.seen('open'))
    for (const frame of ['ü', '2', '3']) client.connection.send(frame)
    await under.settle(client.seen('echo 3'))
    assert.deepEqual(upgrades, [['/api/v1/ws?x=1', 'Bearer secret', '127.0.0.1']])
    client.connection.close(1_000, '')
    await under.settle(client.closed)
    assert.deepEqual(client.events, ['open', 'echo ü', 'echo 2', 'echo 3', 'close'])
    await under.settle(listening.close(0))
  })

  fact('tells both sides the code and the reason of a client that closes', (under) =>
    pair(under, async (client, server) => {
      client.connection.send('last')
      client.connection.close(4_000, 'bye')
      client.connection.close(4_001, 'again')
      client.connection.send('late')
      assert.deepEqual(await under.settle(server.closed), { code: 4_000, reason: 'bye' })
      assert.deepEqual(await under.settle(client.closed), { code: 4_000, reason: 'bye' })
      assert.deepEqual(server.events, ['open', 'last', 'close'])
    }),
  )

  fact('tells both sides the code and the reason of a server that closes', (under) =>
    pair(under, async (client, server) => {
      server.connection.send('last')
      server.connection.close(4_401, 'token expired')
      assert.deepEqual(await under.settle(client.closed), { code: 4_401, reason: 'token expired' })
      assert.deepEqual(await under.settle(server.closed), { code: 4_401, reason: 'token expired' })
      assert.deepEqual(client.events, ['open', 'last', 'close'])
    }),
  )

  fact('takes in nothing more once it closes', (under) =>
    pair(under, async (client, server) => {
      server.connection.send('on its way')
      client.connection.close(1_000, '')
      await under.settle(Promise.all([client.closed, server.closed]))
      assert.deepEqual(client.events, ['open', 'close'])
    }),
  )

  for (const side of ['client', 'server'] as const) {
    const ending = `drops a connection of the ${side} without a handshake, and hears nothing more of it`
    fact(ending, async (under) => {
      const onEvent: OnEvent = (event, connection) => {
        if (event === 'first') connection.terminate()
      }
      const run = async (client: Peer, server: Peer): Promise<void> => {
        const [one, other] = side === 'client' ? [client, server] : [server, client]
        other.connection.send('first')
        other.connection.send('second')
        assert.equal((await under.settle(one.closed)).code, 1006)
        assert.equal((await under.settle(other.closed)).code, 1006)
        assert.deepEqual(one.events, ['open', 'first', 'close'])
        one.connection.terminate()
        one.connection.close(1_000, 'late')
        one.connection.send('late')
        one.connection.ping()
      }
      await pair(under, run, { [side]: onEvent })
    })

    fact(`closes on a frame to the ${side} that is too large`, (under) =>
      pair(under, async (client, server) => {
        const [one, other] = side === 'client' ? [client, server] : [server, client]
        other.connection.send('x'.repeat(frameBytesMax))
        other.connection.send('ü'.repeat(frameBytesMax / 2 + 1))
        const own = await under.settle(one.closed)
        assert.deepEqual([own.code, /max payload size exceeded/i.test(own.reason)], [1006, true])
        assert.equal((await under.settle(other.closed)).code, 1009)
        assert.deepEqual(one.events, ['open', 'x'.repeat(frameBytesMax), 'close'])
      }),
    )

    fact(`answers the pings of the ${side}`, (under) =>
      pair(under, async (client, server) => {
        const one = side === 'client' ? client : server
        one.connection.ping()
        await under.settle(one.seen('pong'))
        one.connection.close(1_000, '')
        await under.settle(Promise.all([client.closed, server.closed]))
      }),
    )
  }

  fact('tells nothing from within a call', (under) =>
    pair(under, async (client, server) => {
      for (const { connection, events } of [client, server]) {
        const before = events.length
        connection.send('x')
        connection.ping()
        connection.close(1_000, '')
        connection.terminate()
        assert.equal(events.length, before)
      }
      await under.settle(Promise.all([client.closed, server.closed]))
    }),
  )

  fact('tells the status with which it was refused', async (under) => {
    const listening = await listen(under, ({ path }) => {
      if (path === '/full') throw new PerduraError('ERR_INBOX_FULL', 'come back later')
      if (path === '/bug') throw new Error('a bug')
      return { status: 403 }
    })
    for (const [path, status] of [
      ['/', 403],
      ['/full', 429],
      ['/bug', 500],
    ] as const) {
      const client = connect(under.transport, urlOf(listening, path))
      assert.throws(() => client.connection.send('early'), /before the connection was open/)
      assert.deepEqual(await under.settle(client.closed), {
        code: 1006,
        reason: `the upgrade was refused with ${status}`,
        status,
      })
      assert.deepEqual(client.events, ['close'])
    }
    assert.deepEqual(errors.splice(0), ['a bug'])
    await under.settle(listening.close(0))
  })

  fact('tells when a server that refused it wants to see it again', async (under) => {
    const asked: Record<string, Record<string, string>> = {
      '/both': { 'retry-after': '2', 'retry-after-ms': '1234' },
      '/seconds': { 'retry-after': '2' },
      '/long': { 'retry-after': '86400' },
      '/date': { 'retry-after': 'Fri, 31 Dec 1999 23:59:59 GMT' },
      '/nonsense': { 'retry-after': '2', 'retry-after-ms': '-5' },
      '/nothing': {},
    }
    const listening = await listen(under, ({ path }) => ({ status: 503, headers: asked[path] ?? {} }))
    for (const [path, retryAfterMs] of [
      ['/both', 1_234],
      ['/seconds', 2_000],
      ['/long', 3_600_000],
      ['/date', undefined],
      ['/nonsense', 2_000],
      ['/nothing', undefined],
    ] as const) {
      const close = await under.settle(connect(under.transport, urlOf(listening, path)).closed)
      assert.deepEqual([close.status, close.retryAfterMs], [503, retryAfterMs], path)
      assert.equal('retryAfterMs' in close, retryAfterMs !== undefined)
    }
    await under.settle(listening.close(0))
  })

  fact('is refused with 400 where there are no WebSockets', async (under) => {
    const { listener, transport, settle } = under
    const address = { host: '127.0.0.1', port: 0 }
    const listening = await settle(
      listener.listen(address, { bodyBytesMax: 1 }, async () => assert.fail('a handshake is no request')),
    )
    assert.equal((await settle(connect(transport, urlOf(listening)).closed)).status, 400)
    await settle(listening.close(0))
    const { code, reason, status } = await settle(connect(transport, urlOf(listening)).closed)
    assert.deepEqual([code, status], [1006, undefined])
    assert.match(reason, /ECONNREFUSED/)
  })

  fact('is dropped by a server while it is accepted', async (under) => {
    const dropped = Promise.withResolvers<Peer>()
    const { accept, next } = createAcceptor()
    const listening = await listen(under, (upgrade, connection) => {
      assert.throws(() => connection.send('early'), /before the connection was open/)
      connection.terminate()
      return accept(upgrade, connection)
    })
    const client = connect(under.transport, urlOf(listening))
    dropped.resolve(await under.settle(next()))
    const server = await dropped.promise
    assert.equal((await under.settle(server.closed)).code, 1006)
    assert.equal((await under.settle(client.closed)).code, 1006)
    assert.deepEqual(server.events, ['close'])
    await under.settle(listening.close(0))
  })

  fact('is called off while it connects', async (under) => {
    const listening = await listen(under, createAcceptor().accept)
    for (const end of ['terminate', 'close'] as const) {
      const client = connect(under.transport, urlOf(listening))
      client.connection[end](1_000, 'changed my mind')
      assert.deepEqual(client.events, [])
      assert.equal((await under.settle(client.closed)).code, 1006)
      assert.deepEqual(client.events, ['close'])
    }
    await under.settle(listening.close(0))
  })

  fact('may go on while its server closes, until the grace is over', async (under) => {
    await pair(under, async (client, server, listening) => {
      const closed = listening.close(100)
      client.connection.send('still here')
      await under.settle(server.seen('still here'))
      const late = connect(under.transport, urlOf(listening))
      assert.equal((await under.settle(late.closed)).code, 1006)
      await under.settle(closed)
      assert.equal(server.events.at(-1), 'close')
      assert.equal((await under.settle(client.closed)).code, 1006)
      assert.equal((await under.settle(server.closed)).code, 1006)
    })
  })

  fact('lets its server close at once when it closes itself', async (under) => {
    await pair(under, async (client, server, listening) => {
      const closed = listening.close(60_000)
      server.connection.close(1_001, 'going away')
      await under.settle(closed)
      assert.equal((await under.settle(client.closed)).code, 1_001)
    })
  })
}
