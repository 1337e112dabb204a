import { toError } from '../../errors.ts'
import type { Transport } from '../transport.ts'
import { NodeConnection } from './connection.ts'
import { loadWebSockets } from './lazy-web-socket.ts'

/** Until the upgrade is answered. */
const handshakeTimeoutMs = 15_000

/**
 * WebSockets by the package `ws`: Node's own `WebSocket` has no bound on the size of a frame and cannot drop a
 * connection without a handshake.
 */
export function createNodeTransport(): Transport {
  return {
    prepare() {
      try {
        loadWebSockets()
      } catch {
        // Without a file handle to be had, mostly: `connect` tries again, and says so.
      }
    },
    connect(url, { headers, frameBytesMax }, sink) {
      const connection = new NodeConnection()
      try {
        const { WebSocket } = loadWebSockets()
        const socket = new WebSocket(url, {
          headers,
          maxPayload: frameBytesMax,
          handshakeTimeout: handshakeTimeoutMs,
          // Frames are small, and each zlib context costs some hundred kilobytes.
          perMessageDeflate: false,
          followRedirects: false,
        })
        connection.attach(socket, sink)
      } catch (error) {
        // Not a URL, or headers that cannot be sent.
        connection.fail(toError(error), sink)
      }
      return connection
    },
  }
}
