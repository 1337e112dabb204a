import type { RawData, WebSocket } from 'ws'
import { retryAfterMs } from '../retry-after.ts'
import type { Connection, ConnectionClose, ConnectionSink } from '../transport.ts'

/** RFC 6455 7.4.1. */
const unsupportedData = 1003
const abnormalClosure = 1006

/**
 * A WebSocket of the package `ws`, on either side. Connecting, open, closing, closed; whatever way it goes, it ends
 * with one `onClose`, and nothing comes after.
 */
export class NodeConnection implements Connection {
  readonly #onEnd: (() => void) | undefined
  #sink: ConnectionSink | undefined
  #socket: WebSocket | undefined
  #failure: Error | undefined
  #refusal: Pick<ConnectionClose, 'status' | 'retryAfterMs'> | undefined
  /** Ended from this side: what still comes in is of no interest any more. */
  #ended = false
  #finished = false

  /** `onEnd` is called when the sink has been told. */
  constructor(onEnd?: () => void) {
    this.#onEnd = onEnd
  }

  /** A server attaches a socket that is open already, a client one that is about to connect. */
  attach(socket: WebSocket, sink: ConnectionSink): void {
    this.#sink = sink
    this.#socket = socket
    socket.on('open', () => this.#open())
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary))
    socket.on('pong', () => {
      if (!this.#ended) sink.onPong?.()
    })
    socket.on('unexpected-response', (request, response) => {
      const { statusCode, headers } = response
      const waitMs = retryAfterMs(headers)
      this.#refusal = {
        ...(statusCode !== undefined && { status: statusCode }),
        ...(waitMs !== undefined && { retryAfterMs: waitMs }),
      }
      request.destroy()
      this.#failure = new Error(`the upgrade was refused with ${statusCode}`)
      // With a listener of this event `ws` leaves the ending to us.
      socket.terminate()
    })
    socket.on('error', (error) => {
      this.#failure ??= error
    })
    socket.on('close', (code, reason) => {
      const text = reason.toString() || (code === abnormalClosure ? (this.#failure?.message ?? '') : '')
      this.#finish(code, text)
    })
    if (this.#ended) socket.terminate()
    else if (socket.readyState === socket.OPEN) this.#open()
  }

  /** There will be no socket: told in the same way as every other failure to open. */
  fail(error: Error, sink: ConnectionSink): void {
    this.#sink = sink
    setImmediate(() => this.#finish(abnormalClosure, error.message))
  }

  get bufferedBytes(): number {
    return this.#socket?.bufferedAmount ?? 0
  }

  send(frame: string): void {
    // An error of a send ends the connection, and is told with that.
    this.#opened('a frame was sent')?.send(frame, () => {})
  }

  ping(): void {
    this.#opened('a ping was sent')?.ping(undefined, undefined, () => {})
  }

  close(code: number, reason: string): void {
    const socket = this.#socket
    if (socket?.readyState === socket?.CONNECTING) {
      this.terminate()
      return
    }
    this.#ended = true
    socket?.close(code, reason)
  }

  terminate(): void {
    this.#ended = true
    this.#socket?.terminate()
  }

  #opened(what: string): WebSocket | undefined {
    const socket = this.#socket
    if (socket?.readyState === socket?.CONNECTING && !this.#finished) {
      throw new Error(`${what} before the connection was open`)
    }
    return socket
  }

  #open(): void {
    if (!this.#ended) this.#sink?.onOpen()
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#ended || this.#finished) return
    if (isBinary) this.close(unsupportedData, 'frames are text')
    else this.#sink?.onFrame((data as Buffer).toString())
  }

  #finish(code: number, reason: string): void {
    if (this.#finished) return
    this.#finished = true
    this.#sink?.onClose({ code, reason, ...this.#refusal })
    this.#onEnd?.()
  }
}
