import { createRequire } from 'node:module'
import type * as Ws from 'ws'

const require = createRequire(import.meta.url)

/** The package `ws` with the first connection: an agent without a hub needs none of it. */
export function loadWebSockets(): typeof Ws {
  return require('ws') as typeof Ws
}
