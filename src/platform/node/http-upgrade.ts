import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { WebSocketServer } from 'ws'
import { PerduraError, toError } from '../../errors.ts'
import { errorResponse } from '../http-error.ts'
import type { HttpListener } from '../http.ts'
import type { ConnectionSink, Refusal, Upgrade } from '../transport.ts'
import { NodeConnection } from './connection.ts'
import { flatten, remoteAddressOf } from './http-headers.ts'
import { answerOnSocket } from './http-intake.ts'
import { loadWebSockets } from './lazy-web-socket.ts'

type ServeOptions = Parameters<HttpListener['listen']>[1]

interface Accepted {
  readonly connection: NodeConnection
  readonly sink: ConnectionSink
}

/** The WebSockets of one server: takes over the sockets of upgrades, and knows those that are open. */
export class Upgrades {
  readonly #options: ServeOptions & { readonly upgrade: NonNullable<ServeOptions['upgrade']> }
  readonly #connections = new Set<NodeConnection>()
  #server: WebSocketServer | undefined
  #onDrained: (() => void) | undefined
  /** Set by `accept` while the upgrade of this moment is handled; all of that happens in one go. */
  #accepted: Accepted | undefined

  constructor(options: ServeOptions & { readonly upgrade: NonNullable<ServeOptions['upgrade']> }) {
    this.#options = options
  }

  handle(incoming: IncomingMessage, socket: Socket, head: Buffer): void {
    this.#webSockets().handleUpgrade(incoming, socket, head, (webSocket) => {
      const accepted = this.#takeAccepted()
      accepted?.connection.attach(webSocket, accepted.sink)
    })
    // The client had hung up before it could be told that it was accepted.
    const unopened = this.#takeAccepted()
    unopened?.connection.fail(new Error('the client is gone'), unopened.sink)
  }

  /** Resolves when the sink of every connection has been told that it is closed. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrained = resolve
      if (this.#connections.size === 0) resolve()
    })
  }

  #takeAccepted(): Accepted | undefined {
    const accepted = this.#accepted
    this.#accepted = undefined
    return accepted
  }

  #webSockets(): WebSocketServer {
    if (this.#server !== undefined) return this.#server
    const { WebSocketServer } = loadWebSockets()
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: this.#options.upgrade.frameBytesMax,
      // Frames are small, and each zlib context costs some hundred kilobytes.
      perMessageDeflate: false,
      // Asked when the handshake has proved to be one. What is not called back is left to us.
      verifyClient: ({ req }, proceed) => {
        if (this.#accept(req)) proceed(true)
      },
    })
    this.#server.on('wsClientError', (error, socket) => {
      const reason = new PerduraError('ERR_USAGE', `this is no WebSocket handshake: ${error.message}`)
      answerOnSocket(socket, errorResponse(reason))
    })
    return this.#server
  }

  #accept(incoming: IncomingMessage): boolean {
    const { socket, url = '' } = incoming
    const connection = new NodeConnection(() => this.#forget(connection))
    try {
      if (!url.startsWith('/')) throw new PerduraError('ERR_USAGE', 'the path of a request starts with "/"')
      const headers = flatten(incoming)
      const upgrade: Upgrade = { path: url, headers, remoteAddress: remoteAddressOf(socket) }
      const answer = this.#options.upgrade.accept(upgrade, connection)
      if (!('status' in answer)) {
        this.#connections.add(connection)
        this.#accepted = { connection, sink: answer }
        return true
      }
      answerOnSocket(socket, refusal(answer))
    } catch (error) {
      if (!(error instanceof PerduraError)) this.#options.onError?.(toError(error))
      answerOnSocket(socket, errorResponse(error))
    }
    return false
  }

  #forget(connection: NodeConnection): void {
    this.#connections.delete(connection)
    if (this.#connections.size === 0) this.#onDrained?.()
  }
}

function refusal({ status, headers }: Refusal): ReturnType<typeof errorResponse> {
  const body = JSON.stringify({ success: false, error: 'the WebSocket was refused' })
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: new TextEncoder().encode(body),
  }
}
