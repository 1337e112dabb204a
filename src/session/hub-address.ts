import { PerduraError } from '../errors.ts'
import { describeAddress } from '../platform/http-error.ts'
import { parseHttpUrl } from '../platform/http-json.ts'
import { originalPorts } from '../protocol/ports.ts'

/** One address of a hub, which may have several. */
export interface HubAddress {
  /** Its one spelling, such as `http://127.0.0.1:8767`. */
  readonly key: string
  readonly rest: { readonly host: string; readonly port: number; readonly tls: boolean }
  /** Such as `ws://127.0.0.1:8768`. */
  readonly webSocketUrl: string
}

/** Where a hub is, from what a person wrote, such as `http://127.0.0.1:8767`; ERR_USAGE for what is no such address. */
export function hubAddress(url: string): HubAddress {
  const { address, pathPrefix } = parseHttpUrl(url)
  if (pathPrefix !== '') {
    throw new PerduraError('ERR_USAGE', 'the address of a hub has no path: write http://host:port')
  }
  const { host, tls } = address
  const ports = bothPorts(address.port)
  return {
    key: `${tls ? 'https' : 'http'}://${describeAddress({ host, port: ports.rest })}`,
    rest: { host, port: ports.rest, tls },
    webSocketUrl: `${tls ? 'wss' : 'ws'}://${describeAddress({ host, port: ports.webSocket })}`,
  }
}

/** Either of the original's two ports names both; with any other, both kinds are served on it. */
function bothPorts(port: number): { readonly rest: number; readonly webSocket: number } {
  const { rest, webSocket } = originalPorts
  return port === rest || port === webSocket ? originalPorts : { rest: port, webSocket: port }
}
