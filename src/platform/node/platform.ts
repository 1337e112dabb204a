import type { Platform } from '../platform.ts'
import { createNodeBootClock } from './boot-clock.ts'
import { createNodeClock } from './clock.ts'
import { createNodeDisk } from './disk.ts'
import { createNodeHttp } from './http-client.ts'
import { createNodeHttpListener } from './http-server.ts'
import { createNodeNetworkWatch } from './network-watch.ts'
import { createNodeKeyChest } from './key-chest.ts'
import { createNodeLocks } from './locks.ts'
import { createNodeProcess } from './process.ts'
import { createNodeRandom } from './random.ts'
import { createNodeSensors } from './sensors.ts'
import { createNodeTransport } from './transport.ts'

/** The real thing. What not every process needs (HTTP, WebSocket) is loaded when it is first used. */
export function createNodePlatform(): Platform {
  return {
    clock: createNodeClock(),
    random: createNodeRandom(),
    disk: createNodeDisk(),
    process: createNodeProcess(),
    http: createNodeHttp(),
    listener: createNodeHttpListener(),
    transport: createNodeTransport(),
    network: createNodeNetworkWatch(),
    locks: createNodeLocks(),
    boot: createNodeBootClock(),
    openKeyChest: createNodeKeyChest,
    openSensors: createNodeSensors,
  }
}
