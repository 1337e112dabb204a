import { createRequire } from 'node:module'
import type { RawData, WebSocket } from 'ws'
import type * as Ws from 'ws'
import { toError } from '../../errors.ts'
import type { Connection, ConnectionSink, Transport } from '../transport.ts'

/** Until the upgrade is answered. */
const handshakeTimeoutMs = 15_000

/** RFC 6455 7.4.1. */
const unsupportedData = 1003
const abnormalClosure = 1006

const require = createRequire(import.meta.url)

/**
 * WebSockets by the package `ws`: Node's own `WebSocket` has no bound on the size of a frame and cannot drop a
 * connection without a handshake. Loaded with the first connection, since an agent without a hub needs none of it.
 */
export function createNodeTransport(): Transport {
  return {
    connect(url, { headers, frameBytesMax }, sink) {
      const connection = new NodeConnection(sink)
      try {
        const ws = require('ws') as typeof Ws
        connection.attach(
          new ws.WebSocket(url, {
            headers,
            maxPayload: frameBytesMax,
            handshakeTimeout: handshakeTimeoutMs,
            // Frames are small, and each zlib context costs some hundred kilobytes.
            perMessageDeflate: false,
            followRedirects: false,
          }),
        )
      } catch (error) {
        // Not a URL: told in the same way as every other failure to open.
        setImmediate(() => connection.finish(abnormalClosure, toError(error).message))
      }
      return connection
    },
  }
}

/** Connecting, open, closing, closed; whatever way it goes, it ends with one `onClose`, and nothing comes after. */
class NodeConnection implements Connection {
  readonly #sink: ConnectionSink
  #socket: WebSocket | undefined
  #failure: Error | undefined
  #status: number | undefined
  #dropped = false
  #finished = false

  constructor(sink: ConnectionSink) {
    this.#sink = sink
  }

  attach(socket: WebSocket): void {
    this.#socket = socket
    socket.on('open', () => {
      if (!this.#dropped) this.#sink.onOpen()
    })
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary))
    socket.on('unexpected-response', (request, response) => {
      this.#status = response.statusCode
      request.destroy()
      this.#failure = new Error(`the upgrade was refused with ${response.statusCode}`)
      // With a listener of this event `ws` leaves the ending to us.
      socket.terminate()
    })
    socket.on('error', (error) => {
      this.#failure ??= error
    })
    socket.on('close', (code, reason) => {
      const text = reason.toString() || (code === abnormalClosure ? (this.#failure?.message ?? '') : '')
      this.finish(code, text)
    })
  }

  get bufferedBytes(): number {
    return this.#socket?.bufferedAmount ?? 0
  }

  send(frame: string): void {
    const socket = this.#socket
    if (socket?.readyState === socket?.CONNECTING && !this.#finished) {
      throw new Error('a frame was sent before the connection was open')
    }
    // An error of a send ends the connection, and is told with that.
    socket?.send(frame, () => {})
  }

  close(code: number, reason: string): void {
    const socket = this.#socket
    if (socket?.readyState === socket?.CONNECTING) this.terminate()
    else socket?.close(code, reason)
  }

  terminate(): void {
    this.#dropped = true
    this.#socket?.terminate()
  }

  finish(code: number, reason: string): void {
    if (this.#finished) return
    this.#finished = true
    this.#sink.onClose({ code, reason, ...(this.#status !== undefined && { status: this.#status }) })
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#dropped || this.#finished) return
    if (isBinary) this.close(unsupportedData, 'frames are text')
    else this.#sink.onFrame((data as Buffer).toString())
  }
}
