import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket, type RawData } from 'ws'
import type { BareMessage } from '../programs/bare-relay.ts'
import { createAppender } from './appender.ts'
import { BenchChild } from './child.ts'
import type { BenchOptions } from './result.ts'

export interface BareRelay {
  /** With 64 messages under way. */
  readonly perSecond: number
  /** With one under way, from the end of the sender's sync to the end of the recipient's. */
  readonly latencyMs: readonly number[]
}

/** What a frame of the relay benchmark has. */
const frameBytes = 480

/** Sender and recipient are this process, the relay is another; each of the three syncs before it goes on. */
export async function measureBareRelay({ folder, quick }: BenchOptions): Promise<BareRelay> {
  const relay = new BenchChild<BareMessage>([
    join(import.meta.dirname, '..', 'programs', 'bare-relay.ts'),
    join(folder, 'bare-relay'),
  ])
  try {
    const { port } = await relay.next('bench:listening')
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    const one = await play(socket, { folder, depth: 1, forMs: quick ? 200 : 5_000 })
    const many = await play(socket, { folder, depth: 64, forMs: quick ? 200 : 5_000 })
    socket.terminate()
    return { perSecond: many.perSecond, latencyMs: one.latencyMs }
  } finally {
    await relay.stop()
  }
}

async function play(
  socket: WebSocket,
  { folder, depth, forMs }: { readonly folder: string; readonly depth: number; readonly forMs: number },
): Promise<BareRelay> {
  const outbox = createAppender(join(folder, 'bare-outbox'))
  const inbox = createAppender(join(folder, 'bare-inbox'))
  const sentMs: number[] = []
  const latencyMs: number[] = []
  let over = false
  let underWay = 0
  const send = (): void => {
    const bytes = Buffer.alloc(frameBytes, 'x')
    underWay += 1
    outbox.append(bytes, () => {
      sentMs.push(performance.now())
      socket.send(bytes)
    })
  }
  const take = (data: RawData): void => {
    inbox.append(data as Buffer, () => {
      latencyMs.push(performance.now() - (sentMs.shift() ?? Number.NaN))
      underWay -= 1
      if (!over) send()
    })
  }
  socket.on('message', take)
  const startedMs = performance.now()
  for (let count = 0; count < depth; count += 1) send()
  await sleep(forMs)
  const perSecond = latencyMs.length / ((performance.now() - startedMs) / 1_000)
  over = true
  while (underWay > 0) await sleep(5)
  socket.off('message', take)
  return { perSecond, latencyMs }
}
