/**
 * The hub that agents meet at in benchmarks, `bench-hub.ts <folder> [port] [options as JSON]`; tells what its process has
 * used when asked.
 */
import { startHub } from '../../src/hub/server/start-hub.ts'
import type { Log } from '../../src/platform/log.ts'
import { createNodePlatform } from '../../src/platform/node/platform.ts'

export type HubMessage =
  | { readonly type: 'bench:listening'; readonly url: string }
  | { readonly type: 'bench:usage'; readonly rssBytes: number; readonly cpuMs: number }

const ignore = (): void => undefined
const silent: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore, with: () => silent }

const [folder = '', port = '0', more = '{}'] = process.argv.slice(2)

// Whoever started it is gone.
process.on('disconnect', () => process.exit(0))
const hub = await startHub({
  folder,
  addresses: [{ host: '127.0.0.1', port: Number(port) }],
  platform: createNodePlatform(),
  log: silent,
  // A hundred agents register at the same moment, from one address.
  requestsPerMinute: 1_000_000,
  // What is measured is the hub, not the bound of one sender.
  limits: { publishRate: { perSecond: 1_000_000, burst: 1_000_000 } },
  ...JSON.parse(more),
})
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  tell({ type: 'bench:usage', rssBytes: process.memoryUsage.rss(), cpuMs: (user + system) / 1_000 })
})
process.once('SIGTERM', () => void hub.close().then(() => process.exit(0)))
const [address] = hub.addresses
if (address === undefined || !('port' in address)) throw new Error('the hub listens nowhere')
tell({ type: 'bench:listening', url: `http://127.0.0.1:${address.port}` })

function tell(message: HubMessage): void {
  process.send?.(message)
}
