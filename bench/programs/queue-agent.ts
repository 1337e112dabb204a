/**
 * An agent with a long queue, `queue-agent.ts <home> <hub> <role> <count>`. As `register` it goes online and ends. As `fill` it
 * commits so many messages to its outbox while there is no hub. As `replay` it opens that outbox, goes online and sends it all,
 * and says how much memory it held. As `receive` it takes in what comes, and says whether it was all, once each and in order.
 */
import { defineAgent, openAgent } from '../../src/index.ts'
import type { Log } from '../../src/platform/log.ts'

export type QueueMessage =
  | { readonly type: 'bench:ready' }
  | { readonly type: 'bench:filled' }
  | { readonly type: 'bench:opened'; readonly openMs: number; readonly liveMb: number }
  | {
      readonly type: 'bench:replayed'
      readonly seconds: number
      /** What is reachable, after a collection: before, at most while it went on, and afterwards. */
      readonly liveMb: number
      readonly livePeakMb: number
      /** When all is sent, and at rest. */
      readonly liveEndMb: number
      readonly rssPeakMb: number
    }
  | { readonly type: 'bench:received'; readonly outOfOrder: number; readonly repeated: number }

const ignore = (): void => undefined
const silent: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore, with: () => silent }
const note = 'x'.repeat(200)
const mb = 1_048_576

const [home = '', hub = '', role = '', given = '0'] = process.argv.slice(2)
const count = Number(given)
const name = role === 'receive' ? 'Bo' : 'Ada'
let expected = 1
let outOfOrder = 0
let repeated = 0

process.on('disconnect', () => process.exit(0))
const definition = defineAgent({ name })
const startedMs = performance.now()
const agent = await openAgent(definition, {
  home,
  hub,
  log: silent,
  limits: {
    outboxMax: 1_000_000,
    outboxBytesMax: 1_000_000_000,
    inboxMax: 1_000_000,
    inboxBytesMax: 1_000_000_000,
  },
  reconnect: { baseDelayMs: 100 },
})
const openMs = performance.now() - startedMs
process.once('SIGTERM', () => void agent.close().then(() => process.exit(0)))

if (role === 'fill') {
  await fill()
  tell({ type: 'bench:filled' })
} else if (role === 'replay') {
  tell({ type: 'bench:opened', openMs, liveMb: liveMb() })
  await replay()
} else {
  if (role === 'receive') await receive()
  await online()
  tell({ type: 'bench:ready' })
}

/** Takes in and handles nothing: what is measured is the way here. */
async function receive(): Promise<void> {
  agent.on('inbox:entry:accepted', ({ from, text }) => {
    if (from !== 'Ada') return
    const { number } = JSON.parse(text) as { number: number }
    if (number < expected) repeated += 1
    else if (number > expected) outOfOrder += 1
    expected = number + 1
    if (expected > count) tell({ type: 'bench:received', outOfOrder, repeated })
  })
  await agent.queue.pause(['inbox'])
}

async function fill(): Promise<void> {
  const next = { number: 1 }
  const sender = async (): Promise<void> => {
    while (next.number <= count) {
      const number = next.number++
      await agent.send({ id: `m${number}`, to: 'Bo', content: { number, note } })
    }
  }
  await Promise.all(Array.from({ length: 200 }, sender))
}

async function replay(): Promise<void> {
  const before = liveMb()
  let livePeakMb = before
  let rssPeakMb = 0
  let delivered = 0
  let firstMs = 0
  const look = setInterval(() => (rssPeakMb = Math.max(rssPeakMb, process.memoryUsage.rss() / mb)), 50)
  await new Promise<void>((resolve) => {
    agent.on('outbox:message:delivered', () => {
      if (delivered === 0) firstMs = performance.now()
      delivered += 1
      if (delivered % 1_000 === 0) livePeakMb = Math.max(livePeakMb, liveMb())
      if (delivered === count) resolve()
    })
  })
  clearInterval(look)
  const left = agent.reader.get<{ count: number }>(
    "SELECT count(*) AS count FROM outbox WHERE status <> 'delivered'",
  )
  if (left?.count !== 0) throw new Error(`${left?.count} messages are not delivered`)
  const seconds = (performance.now() - firstMs) / 1_000
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  tell({ type: 'bench:replayed', seconds, liveMb: before, livePeakMb, liveEndMb: liveMb(), rssPeakMb })
}

function online(): Promise<void> {
  return new Promise((resolve) => {
    agent.on('session:state:changed', ({ to }) => {
      if (to === 'online') resolve()
    })
  })
}

function liveMb(): number {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / mb
}

function tell(message: QueueMessage): void {
  process.send?.(message)
}
