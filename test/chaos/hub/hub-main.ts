/** The process of the hub, `hub-main.ts <folder> <port> [<limits as JSON>] [<host>]`. */
import module from 'node:module'
import { join } from 'node:path'
import { startHub } from '../../../src/hub/server/start-hub.ts'
import { createNodeLog } from '../../../src/platform/node/log.ts'
import { createNodePlatform } from '../../../src/platform/node/platform.ts'

const [folder = '', port = '', limits = '{}', host = '127.0.0.1'] = process.argv.slice(2)

// Whoever started it is gone.
process.on('disconnect', () => process.exit(0))
const log = createNodeLog({ file: { path: join(folder, '..', 'hub.log') } })
const hub = await startHub({
  folder,
  addresses: [{ host, port: Number(port) }],
  limits: JSON.parse(limits),
  platform: createNodePlatform(),
  log,
})
process.once('SIGTERM', () => void hub.close().then(() => process.exit(0)))
const [address] = hub.addresses
process.send?.({ type: 'ready', port: address !== undefined && 'port' in address ? address.port : 0 })
module.flushCompileCache()
