import { toError } from '../errors.ts'
import type { AcceptConnection, Connection, Transport } from '../platform/transport.ts'
import type { SimulatedClock } from './clock.ts'
import { SimulatedNetwork, type SimulatedListener } from './network.ts'
import { outside } from './owner.ts'
import type { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'
import { SimulatedWebSocket, keyOf } from './web-socket.ts'

/**
 * WebSockets in memory, to servers of other processes that listen on the same network, and to those that the test
 * plays. Loss, partitions and half-open connections are the network's.
 */
export class SimulatedTransport {
  readonly network: SimulatedNetwork

  /** A network of its own, unless one is given. */
  constructor(options: {
    readonly clock: SimulatedClock
    readonly random: SeededRandom
    readonly network?: SimulatedNetwork
  }) {
    this.network = options.network ?? new SimulatedNetwork(options)
  }

  /**
   * Plays a server at an origin such as `ws://hub:8768`, in the place of one that is played there already. Returns
   * the function that takes it away.
   */
  serve(origin: string, accept: AcceptConnection): () => void {
    const { listeners } = this.network
    const url = new URL(origin)
    const host = this.network.resolve(url.hostname, this.network.hostOf(outside))
    const key = keyOf(this.network, url, host)
    const listener: SimulatedListener = {
      process: undefined,
      host,
      frameBytesMax: Infinity,
      accept,
      connections: new Set(),
    }
    listeners.set(key, listener)
    return () => {
      if (listeners.get(key) === listener) listeners.delete(key)
    }
  }

  for(process: SimulatedProcess): Transport {
    return {
      connect: (url, options, sink): Connection => {
        process.check()
        let target: URL
        try {
          target = new URL(url)
        } catch (error) {
          const close = { code: 1006, reason: toError(error).message }
          this.network.clock.schedule(0, () => sink.onClose(close), process)
          return unopened
        }
        return new SimulatedWebSocket(this.network, { process, url: target, ...options, sink }).client
      },
    }
  }
}

const unopened: Connection = {
  bufferedBytes: 0,
  send: () => {},
  ping: () => {},
  close: () => {},
  terminate: () => {},
}
