/**
 * The least that a durable relay can be, `bare-relay.ts <file>`: appends what comes over a WebSocket to a file, syncs
 * it, and sends it on. What comes together is synced together.
 */
import { WebSocketServer, type RawData } from 'ws'
import { createAppender } from '../lib/appender.ts'

export interface BareMessage {
  readonly type: 'bench:listening'
  readonly port: number
}

const appender = createAppender(process.argv[2] ?? '')

// Whoever started it is gone.
process.on('disconnect', () => process.exit(0))
process.once('SIGTERM', () => process.exit(0))
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
server.on('connection', (socket) => {
  socket.on('message', (data: RawData) => {
    const bytes = data as Buffer
    appender.append(bytes, () => socket.send(bytes))
  })
})
server.on('listening', () => {
  const address = server.address()
  if (typeof address === 'string' || address === null) throw new Error('it listens nowhere')
  const message: BareMessage = { type: 'bench:listening', port: address.port }
  process.send?.(message)
})
