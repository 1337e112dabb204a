import { connect, type NetConnectOpts } from 'node:net'

export interface RawAnswer {
  /** Of every answer on the connection, in order. */
  readonly statuses: readonly number[]
  readonly text: string
  /** How the connection ended: by the other side, by an error, or by our patience. */
  readonly end: 'closed' | 'error' | 'patience'
}

export interface RawOptions {
  /** Pieces are written this far apart. */
  readonly pauseMs?: number
  readonly patienceMs?: number
  /** Half-closes after the last piece, as a client does that has said everything. Default true. */
  readonly ends?: boolean
}

/** Writes bytes to a server as they are, and reads until the connection ends. Never rejects. */
export function sendRaw(
  address: NetConnectOpts,
  pieces: readonly (string | Uint8Array)[],
  options: RawOptions = {},
): Promise<RawAnswer> {
  const { pauseMs = 0, patienceMs = 15_000, ends = true } = options
  return new Promise((resolve) => {
    const socket = connect(address)
    let text = ''
    const waiting = [...pieces]
    let pause: NodeJS.Timeout | undefined
    const finish = (end: RawAnswer['end']): void => {
      clearTimeout(patience)
      clearTimeout(pause)
      socket.destroy()
      // Only where an answer begins: a body may hold the same words.
      const statuses = [...text.matchAll(/(?:^|\r\n|\})HTTP\/1\.1 (\d{3}) /g)].map(([, status]) =>
        Number(status),
      )
      resolve({ statuses, text, end })
    }
    const patience = setTimeout(() => finish('patience'), patienceMs)
    const next = (): void => {
      const piece = waiting.shift()
      if (piece === undefined) {
        if (ends) socket.end()
        return
      }
      socket.write(piece, () => {
        if (pauseMs === 0) next()
        else pause = setTimeout(next, pauseMs)
      })
    }
    socket.on('connect', next)
    socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')))
    socket.on('error', () => finish('error'))
    socket.on('close', () => finish('closed'))
  })
}

export interface RawRequest {
  readonly method?: string
  readonly path?: string
  /** As they are written, in their order; `host` and `content-length` are added where none is given. */
  readonly headers?: readonly (readonly [string, string])[]
  readonly body?: string | Uint8Array
}

/** The bytes of a request, well-formed or not. */
export function rawRequest({ method = 'POST', path = '/', headers = [], body = '' }: RawRequest): Buffer {
  const bytes = Buffer.from(body as string)
  const has = (name: string): boolean => headers.some(([given]) => given.toLowerCase() === name)
  const lines = [
    `${method} ${path} HTTP/1.1`,
    ...(has('host') ? [] : ['Host: 127.0.0.1']),
    ...(has('connection') ? [] : ['Connection: close']),
    ...(has('content-length') || has('transfer-encoding') ? [] : [`Content-Length: ${bytes.length}`]),
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes])
}
