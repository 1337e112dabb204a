import type * as http from 'node:http'
import type * as https from 'node:https'

/**
 * `node:http` when it is needed, and not as an `import`: importing it evaluates every name it exports, `WebSocket`
 * among them, and so loads undici: 33 ms and 14 MB more than this way (Node 24.21).
 */
export function loadHttp(): typeof http {
  return process.getBuiltinModule('node:http')
}

export function loadHttps(): typeof https {
  return process.getBuiltinModule('node:https')
}
