/**
 * What a long queue costs: an agent commits messages while there is no hub, is started anew, goes online, and sends them all to
 * another agent through a real hub. What it holds in memory must not grow with their number; beside the long queue one a tenth
 * as long.
 */
import { join } from 'node:path'
import { BenchChild } from './lib/child.ts'
import type { BenchOptions, BenchResult } from './lib/result.ts'
import type { HubMessage } from './programs/bench-hub.ts'
import type { QueueMessage } from './programs/queue-agent.ts'

const programs = join(import.meta.dirname, 'programs')

/** What is measured is the sender, and not the bound of its recipient's inbox. */
const roomy = { streamLimits: { waitingMax: 1_000_000, waitingBytesMax: 4_000_000_000 } }

interface Replayed {
  readonly open_ms: number
  readonly open_live_mb: number
  readonly live_growth_mb: number
  readonly live_left_mb: number
  readonly rss_peak_mb: number
  readonly messages_per_second: number
  readonly out_of_order: number
  readonly repeated: number
}

export async function run(options: BenchOptions): Promise<BenchResult> {
  const count = options.quick ? 2_000 : 100_000
  const short = await measure(options, count / 10)
  const long = await measure(options, count)
  const ratio = (key: keyof Replayed): number => long[key] / short[key]
  return {
    name: 'queue',
    figures: { messages: count, ...long },
    baseline: { messages: count / 10, ...short },
    ratio: { messages: 10, open_live_mb: ratio('open_live_mb'), rss_peak_mb: ratio('rss_peak_mb') },
  }
}

async function measure({ folder }: BenchOptions, count: number): Promise<Replayed> {
  const hubFolder = join(folder, `hub-${count}`)
  const startHub = (port: number): BenchChild<HubMessage> =>
    new BenchChild([join(programs, 'bench-hub.ts'), hubFolder, String(port), JSON.stringify(roomy)])
  const startAgent = (url: string, role: string): BenchChild<QueueMessage> => {
    const program = [
      join(programs, 'queue-agent.ts'),
      join(folder, `home-${count}`),
      url,
      role,
      String(count),
    ]
    return new BenchChild(['--expose-gc', ...program])
  }
  const first = startHub(0)
  const { url } = await first.next('bench:listening')
  // Whoever has never been at the hub cannot be written to.
  for (const role of ['register', 'receive']) {
    const agent = startAgent(url, role)
    await agent.next('bench:ready')
    await agent.stop()
  }
  await first.stop()
  const filling = startAgent(url, 'fill')
  await filling.next('bench:filled')
  await filling.stop()
  const sender = startAgent(url, 'replay')
  const opened = await sender.next('bench:opened')
  const hub = startHub(Number(new URL(url).port))
  await hub.next('bench:listening')
  const recipient = startAgent(url, 'receive')
  const [replayed, received] = await Promise.all([
    sender.next('bench:replayed'),
    recipient.next('bench:received'),
  ])
  for (const child of [sender, recipient, hub]) await child.stop()
  return {
    open_ms: opened.openMs,
    open_live_mb: opened.liveMb,
    live_growth_mb: Math.max(0, replayed.livePeakMb - replayed.liveMb),
    live_left_mb: Math.max(0, replayed.liveEndMb - replayed.liveMb),
    rss_peak_mb: replayed.rssPeakMb,
    messages_per_second: count / replayed.seconds,
    out_of_order: received.outOfOrder,
    repeated: received.repeated,
  }
}
