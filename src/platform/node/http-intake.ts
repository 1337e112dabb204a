import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { PerduraError } from '../../errors.ts'
import { bodyTooLarge, errorResponse } from '../http-error.ts'
import type { HttpResponse } from '../http.ts'
import { loadHttp } from './lazy-http.ts'

/** What a client goes on sending after it was refused is read and thrown away, up to these bounds. */
const discardMs = 1_000
const discardBytesMax = 8 * 1024 * 1024

/** The whole body; `gone` when the client hung up in its middle. */
export function readBody(
  incoming: IncomingMessage,
  bytesMax: number,
): Promise<Buffer | 'too large' | 'gone'> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let sizeBytes = 0
    const finish = (result: Buffer | 'too large' | 'gone'): void => {
      incoming.off('data', onData)
      resolve(result)
    }
    const onData = (chunk: Buffer): void => {
      sizeBytes += chunk.length
      if (sizeBytes > bytesMax) finish('too large')
      else chunks.push(chunk)
    }
    incoming.on('data', onData)
    incoming.once('end', () => finish(Buffer.concat(chunks)))
    incoming.once('error', () => finish('gone'))
    incoming.once('close', () => finish('gone'))
  })
}

/**
 * Answers 413 and closes the connection. The answer is written out first and ended only when the client has stopped
 * sending (or the bounds are met): closing a socket with unread bytes makes the system reset the connection, and the
 * client would never see why.
 */
export function answerTooLarge(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  bytesMax: number,
  comes: boolean,
): void {
  const { status, headers, body } = errorResponse(bodyTooLarge(bytesMax))
  outgoing.writeHead(status, { ...headers, 'content-length': String(body.length), connection: 'close' })
  if (!comes) {
    outgoing.end(body)
    return
  }
  outgoing.write(body)
  let discarded = 0
  const end = (): void => {
    clearTimeout(timeout)
    outgoing.end()
  }
  const timeout = setTimeout(end, discardMs)
  incoming.on('data', (chunk: Buffer) => {
    discarded += chunk.length
    if (discarded > discardBytesMax) end()
  })
  incoming.once('end', end)
  incoming.once('close', end)
  incoming.resume()
}

/** Answers what could not be read as a request; there is no request yet, so it goes to the socket itself. */
export function answerMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  answerOnSocket(socket, answerTo(error.code))
}

/** Answers where there is no ServerResponse, and hangs up. */
export function answerOnSocket(socket: Duplex, { status, headers, body }: HttpResponse): void {
  // A client that is gone by now is nobody's error.
  socket.on('error', () => socket.destroy())
  const head = [
    `HTTP/1.1 ${status} ${loadHttp().STATUS_CODES[status] ?? ''}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${body.length}`,
    'connection: close',
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  socket.end(body, () => socket.destroy())
}

function answerTo(code: string | undefined): HttpResponse {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const reason = new PerduraError('ERR_PAYLOAD_TOO_LARGE', 'the header of the request is too large')
    return { ...errorResponse(reason), status: 431 }
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const reason = new PerduraError('ERR_TIMEOUT', 'the request did not come in time')
    return { ...errorResponse(reason), status: 408 }
  }
  return errorResponse(new PerduraError('ERR_USAGE', 'the request is not valid HTTP'))
}
