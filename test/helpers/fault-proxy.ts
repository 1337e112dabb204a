import net from 'node:net'
import { createSeededRandom, type SeededRandom } from '../../src/testing/random.ts'
import { FaultyWay, type WayFaults } from './faulty-way.ts'

/** `up` goes from the client to the server. */
export type Direction = 'up' | 'down'
export type Side = 'client' | 'server'

export interface FaultProxyOptions {
  /** Where connections lead to. */
  readonly target: { readonly host?: string; readonly port: number }
  /** Default 127.0.0.1, and a port that is free. */
  readonly listen?: { readonly host?: string; readonly port?: number }
  /** Of everything that is drawn: sizes of slices, jitter. Default 1. */
  readonly seed?: number
}

export interface ProxyCounts {
  /** Accepted from clients, whatever became of them. */
  connections: number
  /** Refused as long as `refuse` was in force and the listener was still there to be asked. */
  refused: number
  resets: number
  upBytes: number
  downBytes: number
}

const directions: readonly Direction[] = ['up', 'down']

/**
 * A TCP proxy that does what networks do to connections, at the moment when a test says so. It knows nothing of what
 * it carries. What TCP promises it keeps: of a connection that goes on, no byte is missing, doubled or out of order.
 */
export class FaultProxy {
  /** Where the next connection leads to: a server that comes back may have another port. */
  target: { readonly host?: string; readonly port: number }
  readonly counts: ProxyCounts = { connections: 0, refused: 0, resets: 0, upBytes: 0, downBytes: 0 }
  /** Called with each new connection, before anything has passed. */
  onConnection: ((connection: ProxiedConnection) => void) | undefined
  readonly #random: SeededRandom
  readonly #connections = new Set<ProxiedConnection>()
  readonly #faults: Record<Direction, WayFaults> = { up: {}, down: {} }
  readonly #host: string
  #port: number
  #server: net.Server | undefined

  private constructor({ target, listen = {}, seed = 1 }: FaultProxyOptions) {
    this.target = target
    this.#host = listen.host ?? '127.0.0.1'
    this.#port = listen.port ?? 0
    this.#random = createSeededRandom(`fault proxy ${seed}`)
  }

  static async open(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options)
    await proxy.accept()
    return proxy
  }

  get port(): number {
    return this.#port
  }

  /** Those that still have a side. */
  get connections(): readonly ProxiedConnection[] {
    return [...this.#connections]
  }

  /** From now on, for all connections that have no faults of their own; in place of what was in force before. */
  disturb(faults: WayFaults, ...only: readonly Direction[]): void {
    for (const direction of only.length === 0 ? directions : only) this.#faults[direction] = faults
    this.#look()
  }

  /**
   * Nothing passes, and nobody is told: neither bytes nor ends nor resets. What was sent meanwhile arrives when it is
   * over, if the connection is still there, as TCP would send it again. A new connection is opened and hears nothing.
   */
  blackHole(...only: readonly Direction[]): void {
    this.disturb({ blocked: true }, ...only)
  }

  /** Everything passes again, on all connections. */
  heal(): void {
    for (const connection of this.#connections) connection.heal()
    this.disturb({})
  }

  /** RST to both sides of every connection. */
  reset(): void {
    for (const connection of this.connections) connection.reset()
  }

  /** New connections are refused, as by a machine where nobody listens; those that are open go on. */
  async refuse(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    // Its callback comes only when the last connection has gone; it listens no more at once.
    server?.close()
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** New connections are accepted again, at the same port. */
  async accept(): Promise<void> {
    if (this.#server !== undefined) return
    // Half of a connection may go on when the other has ended; and a client that writes nothing is still one.
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#take(client))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, this.#host, resolve)
    })
    this.#port = (server.address() as net.AddressInfo).port
    this.#server = server
  }

  /** Ends everything, and leaves nothing behind. */
  async close(): Promise<void> {
    const ended = this.connections.map(({ gone }) => gone)
    for (const connection of this.connections) connection.destroy()
    await Promise.all([this.refuse(), ...ended])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #take(client: net.Socket): void {
    if (this.#server === undefined) {
      this.counts.refused += 1
      client.resetAndDestroy()
      return
    }
    this.counts.connections += 1
    const { host = '127.0.0.1', port } = this.target
    const server = net.connect({ host, port, allowHalfOpen: true, noDelay: true })
    const connection = new ProxiedConnection(client, server, {
      random: this.#random.fork(`connection ${this.counts.connections}`),
      faultsOf: (direction) => this.#faults[direction],
      counts: this.counts,
      onGone: () => this.#connections.delete(connection),
    })
    this.#connections.add(connection)
    this.onConnection?.(connection)
  }

  #look(): void {
    for (const connection of this.#connections) connection.look()
  }
}

interface ConnectionOptions {
  readonly random: SeededRandom
  /** What is in force for everybody. */
  readonly faultsOf: (direction: Direction) => WayFaults
  readonly counts: ProxyCounts
  readonly onGone: () => void
}

/** A client's connection and the one that leads on from it: two ways between two sockets. */
export class ProxiedConnection {
  /** Resolves when neither side has a socket any more. */
  readonly gone: Promise<void>
  readonly #sockets: Readonly<Record<Side, net.Socket>>
  readonly #ways: Readonly<Record<Direction, FaultyWay>>
  readonly #own: Partial<Record<Direction, WayFaults>> = {}
  readonly #counts: ProxyCounts

  constructor(client: net.Socket, server: net.Socket, options: ConnectionOptions) {
    const { random, faultsOf, counts, onGone } = options
    this.#sockets = { client, server }
    this.#counts = counts
    const way = (direction: Direction): FaultyWay => {
      const [from, to] = direction === 'up' ? [client, server] : [server, client]
      return new FaultyWay(from, to, {
        random: random.fork(direction),
        faults: () => this.#own[direction] ?? faultsOf(direction),
        onPassed: (bytes) => (counts[`${direction}Bytes`] += bytes),
      })
    }
    this.#ways = { up: way('up'), down: way('down') }
    const closed = [client, server].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    this.gone = Promise.all(closed).then(() => {
      for (const direction of directions) this.#ways[direction].stop()
      onGone()
    })
  }

  /** Like that of the proxy, for this connection alone, whatever is in force for the others. */
  disturb(faults: WayFaults, ...only: readonly Direction[]): void {
    for (const direction of only.length === 0 ? directions : only) this.#own[direction] = faults
    this.look()
  }

  /** What is in force for everybody is in force here again. */
  heal(): void {
    for (const direction of directions) delete this.#own[direction]
    this.look()
  }

  /** RST to both sides. What was on its way is lost. */
  reset(): void {
    this.#counts.resets += 1
    this.destroy()
  }

  /**
   * Half-open: this side is gone, and the other is never told. That other goes on: what it says is swallowed, and it
   * hears nothing any more, until it ends the connection itself.
   */
  lose(side: Side): void {
    for (const direction of directions) this.#ways[direction].stop()
    this.#sockets[side].resetAndDestroy()
    const other = this.#sockets[side === 'client' ? 'server' : 'client']
    other.on('end', () => other.destroy())
    other.resume()
  }

  destroy(): void {
    for (const direction of directions) this.#ways[direction].stop()
    // One that still connects would be reset only when it is connected, which may be never.
    for (const socket of Object.values(this.#sockets)) {
      if (socket.connecting) socket.destroy()
      else socket.resetAndDestroy()
    }
  }

  look(): void {
    for (const direction of directions) this.#ways[direction].look()
  }
}
