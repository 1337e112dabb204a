import type { ClientRequest, IncomingMessage } from 'node:http'
import { PerduraError } from '../../errors.ts'
import { unreachable } from '../http-error.ts'
import type { Http, HttpAddress, HttpRequest, HttpResponse } from '../http.ts'
import { flatten } from './http-headers.ts'
import { checkSocketFolder } from './private-folder.ts'
import { loadHttp, loadHttps } from './lazy-http.ts'

export interface NodeHttpOptions {
  /** Body of an answer, in bytes, that is taken in at most. Default 64 MiB. */
  readonly responseBytesMax?: number
}

export function createNodeHttp(options: NodeHttpOptions = {}): Http {
  const { responseBytesMax = 64 * 1024 * 1024 } = options
  return {
    request: (address, request, { timeoutMs, signal }) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(unreachable(address, 'aborted', signal.reason))
          return
        }
        try {
          if ('socketPath' in address) checkSocketFolder(address.socketPath)
        } catch (error) {
          reject(error instanceof PerduraError ? error : unreachable(address, 'refused', error))
          return
        }
        const outgoing = open(address, request)
        const state = { connected: false }
        const finish = (settle: () => void): void => {
          clearTimeout(timeout)
          signal?.removeEventListener('abort', onAbort)
          settle()
          outgoing.destroy()
        }
        const fail = (error: Error): void => finish(() => reject(error))
        const onAbort = (): void => fail(unreachable(address, 'aborted', signal?.reason))
        const timeout = setTimeout(() => fail(unreachable(address, 'timeout')), timeoutMs)
        signal?.addEventListener('abort', onAbort)

        // Before TLS is up, nothing can have been done either.
        const connected = secure(address) ? 'secureConnect' : 'connect'
        outgoing.on('socket', (socket) => socket.once(connected, () => (state.connected = true)))
        // Stays on after the end: a reset that comes late is nobody's error.
        outgoing.on('error', (error) => fail(unreachable(address, reasonOf(error, state.connected), error)))
        outgoing.on('response', (incoming) => {
          collect(incoming, responseBytesMax).then(
            (response) => finish(() => resolve(response)),
            (error: unknown) =>
              fail(error instanceof PerduraError ? error : unreachable(address, 'reset', error)),
          )
        })
        outgoing.end(request.body)
      }),
  }
}

function open(address: HttpAddress, request: HttpRequest): ClientRequest {
  const { method, path, headers, body } = request
  const bodyless = body.length === 0 && (method === 'GET' || method === 'HEAD')
  const { request: send } = secure(address) ? loadHttps() : loadHttp()
  return send({
    ...('socketPath' in address
      ? { socketPath: address.socketPath }
      : { host: address.host, port: address.port }),
    method,
    path,
    headers: bodyless ? headers : { ...headers, 'content-length': String(body.length) },
    // A connection of its own: a kept one may be closed by the server just as it is used again, and then nobody
    // knows whether the request was handled.
    agent: false,
  })
}

function secure(address: HttpAddress): boolean {
  return 'port' in address && address.tls === true
}

function reasonOf(error: NodeJS.ErrnoException, connected: boolean): 'refused' | 'reset' | 'failed' {
  if (!connected) return 'refused'
  return error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'reset' : 'failed'
}

async function collect(incoming: IncomingMessage, bytesMax: number): Promise<HttpResponse> {
  const chunks: Buffer[] = []
  const { statusCode: status = 0 } = incoming
  let sizeBytes = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > bytesMax) {
      const socket = incoming.socket.remoteAddress ?? 'the server'
      const text = `the answer of ${socket} is over ${bytesMax} bytes`
      throw new PerduraError('ERR_PAYLOAD_TOO_LARGE', text, { details: { status } })
    }
    chunks.push(chunk)
  }
  return { status, headers: flatten(incoming), body: Buffer.concat(chunks) }
}
