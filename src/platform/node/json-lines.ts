import { StringDecoder } from 'node:string_decoder'
import { createServer, type Socket } from 'node:net'
import { PerduraError } from '../../errors.ts'
import { listenOnSocket } from './listen.ts'
import { checkSocketPath } from './unix-socket.ts'

/** Longest line, in UTF-16 units; whoever sends a longer one is no longer listened to. */
const lineLengthMax = 1024 * 1024
/** What may wait for a peer that does not read; a peer with more is cut off. */
const waitingBytesMax = 4 * 1024 * 1024
const connectionsMax = 1_000

/** One connection that carries JSON values, one a line. */
export class JsonLines {
  readonly #socket: Socket

  constructor(
    socket: Socket,
    sink: { readonly onValue: (value: unknown) => void; readonly onClose: () => void },
  ) {
    this.#socket = socket
    const decoder = new StringDecoder('utf8')
    let rest = ''
    socket.on('data', (chunk: Buffer) => {
      const lines = (rest + decoder.write(chunk)).split('\n')
      rest = lines.pop() ?? ''
      const values = lines.map(parse)
      if (rest.length > lineLengthMax || values.includes(undefined)) socket.destroy()
      for (const value of values) if (value !== undefined && !socket.destroyed) sink.onValue(value)
    })
    // What went wrong is of no interest: the end of the connection is all there is to know.
    socket.on('error', () => undefined)
    socket.once('close', () => sink.onClose())
  }

  /** Resolves when it is on its way, or cannot be any more. */
  send(value: unknown): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed || !this.#socket.writable) {
        resolve()
        return
      }
      this.#socket.write(`${JSON.stringify(value)}\n`, () => resolve())
      if (this.#socket.writableLength > waitingBytesMax) this.#socket.destroy()
    })
  }

  /** What was sent still arrives. */
  close(): void {
    this.#socket.destroySoon()
  }
}

export interface JsonLinesServer {
  close(): Promise<void>
}

/** Accepts connections of this user's processes on a Unix socket. Rejects with ERR_USAGE where it cannot. */
export async function listenForJsonLines(
  path: string,
  accept: (socket: Socket) => void,
): Promise<JsonLinesServer> {
  checkSocketPath(path)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    accept(socket)
  })
  server.maxConnections = connectionsMax
  try {
    await listenOnSocket(server, path)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new PerduraError(
      'ERR_USAGE',
      `cannot listen on ${path} (${code}); check that its folder exists and that you may write there`,
      { cause },
    )
  }
  // Such as EMFILE: who could not be accepted comes again.
  server.on('error', () => undefined)
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** Undefined for what is no JSON. */
function parse(line: string): unknown {
  try {
    return JSON.parse(line) as unknown
  } catch {
    return undefined
  }
}
