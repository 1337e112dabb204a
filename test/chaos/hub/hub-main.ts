/** The process of the hub, `hub-main.ts <folder> <port>`. */
import module from 'node:module'
import { join } from 'node:path'
import { startHub } from '../../../src/hub/server/start-hub.ts'
import { createNodeLog } from '../../../src/platform/node/log.ts'
import { createNodePlatform } from '../../../src/platform/node/platform.ts'

const [folder = '', port = ''] = process.argv.slice(2)

// Whoever started it is gone.
process.on('disconnect', () => process.exit(0))
const log = createNodeLog({ file: { path: join(folder, '..', 'hub.log') } })
const hub = await startHub({
  folder,
  addresses: [{ host: '127.0.0.1', port: Number(port) }],
  platform: createNodePlatform(),
  log,
})
process.once('SIGTERM', () => void hub.close().then(() => process.exit(0)))
process.send?.({ type: 'ready' })
module.flushCompileCache()
