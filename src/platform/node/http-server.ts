import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { PerduraError, toError } from '../../errors.ts'
import { describeAddress, errorResponse, portInUse } from '../http-error.ts'
import type { HttpAddress, HttpListener, HttpRequest, HttpResponse, HttpServer } from '../http.ts'
import { flatten, remoteAddressOf } from './http-headers.ts'
import { answerMalformed, answerTooLarge, readBody } from './http-intake.ts'
import { Upgrades } from './http-upgrade.ts'
import { loadHttp } from './lazy-http.ts'
import { listen, listenOnSocket } from './listen.ts'
import { checkSocketPath } from './unix-socket.ts'

export interface NodeHttpListenerOptions {
  /** From the first byte of a request to its last; what takes longer is cut with 408. Default 10,000. */
  readonly requestTimeoutMs?: number
  /**
   * Further connections are closed at once, be they for requests or WebSockets. Default 1,000; a hub needs one for
   * each of its agents and some more, and as many file descriptors.
   */
  readonly connectionsMax?: number
}

type ServeOptions = Parameters<HttpListener['listen']>[1]
type Handle = Parameters<HttpListener['listen']>[2]

const headerBytesMax = 16 * 1024
const keepAliveMs = 5_000

export function createNodeHttpListener(options: NodeHttpListenerOptions = {}): HttpListener {
  const { requestTimeoutMs = 10_000, connectionsMax = 1_000 } = options
  return {
    async listen(address, listenOptions, handle) {
      const server = loadHttp().createServer({
        headersTimeout: requestTimeoutMs,
        requestTimeout: requestTimeoutMs,
        connectionsCheckingInterval: Math.min(1_000, requestTimeoutMs / 4),
        keepAliveTimeout: keepAliveMs,
        maxHeaderSize: headerBytesMax,
        // An offer of another protocol may be ignored, and the request answered as it is (RFC 9110 7.8).
        shouldUpgradeCallback: (incoming) => listenOptions.upgrade !== undefined && wantsWebSocket(incoming),
      })
      server.maxConnections = connectionsMax
      const service = new Service(server, listenOptions, handle)
      const found = await bind(server, address)
      server.on('error', (error) => listenOptions.onError?.(error))
      return { address: found, close: (graceMs) => service.close(graceMs) } satisfies HttpServer
    },
  }
}

/**
 * One server's life: it takes in requests and WebSockets until `close`, and ends when the last request is answered
 * and the last WebSocket closed, or when they are cut.
 */
class Service {
  readonly #server: Server
  readonly #options: ServeOptions
  readonly #handle: Handle
  /** Connections, each with the answers that are being given on it: several where requests are pipelined. */
  readonly #connections = new Map<Socket, Set<ServerResponse>>()
  readonly #upgrades: Upgrades | undefined
  /** Sockets that carry a WebSocket now. */
  readonly #upgraded = new WeakSet<Socket>()
  #closed: Promise<void> | undefined

  constructor(server: Server, options: ServeOptions, handle: Handle) {
    this.#server = server
    this.#options = options
    this.#handle = handle
    server.on('connection', (socket) => {
      this.#connections.set(socket, new Set())
      socket.once('close', () => this.#connections.delete(socket))
    })
    server.on('clientError', (error, socket) => this.#clientFailed(error, socket as Socket))
    server.on('request', (incoming, outgoing) => void this.#serve(incoming, outgoing))
    server.on('checkContinue', (incoming, outgoing) => void this.#serve(incoming, outgoing, true))
    const { upgrade } = options
    this.#upgrades = upgrade && new Upgrades({ ...options, upgrade })
    // Without a listener, Node takes an upgrade for a request like any other.
    if (upgrade !== undefined) server.on('upgrade', (...event) => this.#upgrade(...event))
  }

  close(graceMs: number): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      const cut = setTimeout(() => {
        for (const socket of this.#connections.keys()) socket.destroy()
      }, graceMs)
      this.#server.close(() => {
        clearTimeout(cut)
        resolve(this.#upgrades?.drained())
      })
      // A connection on which nothing is being asked has nothing to finish.
      for (const [socket, answers] of this.#connections) {
        if (answers.size === 0 && !this.#upgraded.has(socket)) socket.destroySoon()
      }
    })
    return this.#closed
  }

  #upgrade(incoming: IncomingMessage, stream: Duplex, head: Buffer): void {
    const socket = stream as Socket
    // The answers to what was asked before on this connection would end up between the frames.
    if ((this.#connections.get(socket)?.size ?? 0) > 0) {
      socket.destroy()
      return
    }
    this.#upgraded.add(socket)
    this.#upgrades?.handle(incoming, socket, head)
  }

  /** What came is no HTTP, or did not come in time. */
  #clientFailed(error: NodeJS.ErrnoException, socket: Socket): void {
    const answers = [...(this.#connections.get(socket) ?? [])]
    // What came whole before it may have been accepted: an answer of 400 in the place of its own would be a lie.
    const last = answers.findLast((answer) => answer.req.complete)
    if (last !== undefined) last.once('close', () => socket.destroySoon())
    else if (answers.some((answer) => answer.headersSent)) socket.destroy()
    else answerMalformed(error, socket)
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse, waits = false): Promise<void> {
    const { socket } = incoming
    const answers = this.#connections.get(socket)
    answers?.add(outgoing)
    outgoing.once('close', () => answers?.delete(outgoing))
    const { bodyBytesMax } = this.#options
    try {
      if (Number(incoming.headers['content-length'] ?? 0) > bodyBytesMax) {
        answerTooLarge(incoming, outgoing, bodyBytesMax, !waits)
        return
      }
      if (waits) outgoing.writeContinue()
      const body = await readBody(incoming, bodyBytesMax)
      if (body === 'gone') return
      if (body === 'too large') answerTooLarge(incoming, outgoing, bodyBytesMax, true)
      else this.#send(outgoing, await this.#answer(incoming, body))
    } catch (error) {
      // What the handler returned cannot be sent, for example for a header with a line break in it.
      this.#options.onError?.(toError(error))
      if (outgoing.headersSent) socket.destroy()
      else this.#send(outgoing, errorResponse(error))
    }
  }

  async #answer(incoming: IncomingMessage, body: Buffer): Promise<HttpResponse> {
    try {
      const { method = 'GET', url = '' } = incoming
      if (!url.startsWith('/')) throw new PerduraError('ERR_USAGE', 'the path of a request starts with "/"')
      if (wantsWebSocket(incoming)) {
        throw new PerduraError('ERR_USAGE', 'no WebSocket can be opened by this request; send a plain one')
      }
      const headers = flatten(incoming)
      const remoteAddress = remoteAddressOf(incoming.socket)
      const request: HttpRequest = { method, path: url, headers, body, remoteAddress }
      return await this.#handle(request)
    } catch (error) {
      if (!(error instanceof PerduraError)) this.#options.onError?.(toError(error))
      return errorResponse(error)
    }
  }

  #send(outgoing: ServerResponse, { status, headers, body }: HttpResponse): void {
    if (outgoing.destroyed) return
    const empty = status === 204 || status === 304
    outgoing.writeHead(status, {
      ...headers,
      ...(!empty && { 'content-length': String(body.length) }),
      ...(this.#closed !== undefined && { connection: 'close' }),
    })
    outgoing.end(empty ? undefined : body)
  }
}

function wantsWebSocket(incoming: IncomingMessage): boolean {
  return incoming.headers.upgrade?.toLowerCase() === 'websocket'
}

async function bind(server: Server, address: HttpAddress): Promise<HttpAddress> {
  if ('socketPath' in address) {
    checkSocketPath(address.socketPath)
    await listenOnSocket(server, address.socketPath).catch((error: unknown) => {
      throw refusal(address, error)
    })
    return address
  }
  await listen(server, { host: address.host, port: address.port, exclusive: true }).catch(
    (error: unknown) => {
      throw refusal(address, error)
    },
  )
  return { host: address.host, port: (server.address() as AddressInfo).port }
}

function refusal(address: HttpAddress, error: unknown): PerduraError {
  const code = codeOf(error)
  if (code === 'EADDRINUSE') return portInUse(address, error)
  const advice =
    'socketPath' in address
      ? 'check that its folder exists and that you may write there'
      : 'choose a port above 1023 and an address of this machine'
  return new PerduraError('ERR_USAGE', `cannot listen on ${describeAddress(address)} (${code}); ${advice}`, {
    cause: error,
  })
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code)
}
