import { PerduraError } from '../errors.ts'
import { describeAddress } from '../platform/http-error.ts'
import { parseHttpUrl, type HttpUrl } from '../platform/http-json.ts'
import { originalPorts } from '../protocol/ports.ts'

/** One address of a hub, which may have several. */
export interface HubAddress {
  /** Its one spelling, such as `http://127.0.0.1:8767`. */
  readonly key: string
  readonly rest: { readonly host: string; readonly port: number; readonly tls: boolean }
  /** Such as `ws://127.0.0.1:8768`. */
  readonly webSocketUrl: string
}

/** More than this nobody tries in turn within a sensible time. */
const addressesMax = 16

/**
 * All addresses of one hub, from what a person wrote: a list, or a text with commas, or both. The same one twice counts
 * once. ERR_USAGE where there is none, or more than 16, or one is no address.
 */
export function hubAddressList(urls: string | readonly string[]): HubAddress[] {
  const texts = (typeof urls === 'string' ? [urls] : urls).flatMap((text) => text.split(','))
  const list = new Map(texts.map((text) => hubAddress(text.trim())).map((address) => [address.key, address]))
  if (list.size === 0)
    throw new PerduraError('ERR_USAGE', 'a hub needs an address, such as http://127.0.0.1:8767')
  if (list.size > addressesMax) {
    throw new PerduraError(
      'ERR_USAGE',
      `a hub has at most ${addressesMax} addresses, and these are ${list.size}`,
    )
  }
  return [...list.values()]
}

/**
 * Where a hub is, from what a person wrote, such as `http://127.0.0.1:8767`; ERR_USAGE for what is no such address. Where
 * REST and WebSocket are on ports that do not follow from each other, both stand there: `http://host:1000+ws://host:2000`.
 */
export function hubAddress(url: string): HubAddress {
  const [first = '', second, ...rest] = url.split('+')
  if (second === undefined) return oneAddress(first)
  const [isFirst, isSecond] = [first, second].map((text) => /^wss?:/i.test(text))
  if (rest.length > 0 || isFirst === isSecond) {
    throw new PerduraError(
      'ERR_USAGE',
      'the address of a hub with two ports is written http://host:port+ws://host:port',
    )
  }
  const { address } = serverOf(isFirst === true ? second : first)
  const { address: socket } = serverOf(isFirst === true ? first : second)
  if (address.host !== socket.host || address.tls !== socket.tls) {
    throw new PerduraError(
      'ERR_USAGE',
      'the two ports of a hub are on one host, and both have TLS or neither has',
    )
  }
  return addressOf(address.host, address.tls, { rest: address.port, webSocket: socket.port })
}

function oneAddress(url: string): HubAddress {
  const { host, tls, port } = serverOf(url).address
  return addressOf(host, tls, bothPorts(port))
}

function serverOf(url: string): HttpUrl {
  const server = parseHttpUrl(url)
  if (server.pathPrefix === '') return server
  throw new PerduraError('ERR_USAGE', 'the address of a hub has no path: write http://host:port')
}

function addressOf(
  host: string,
  tls: boolean,
  ports: { readonly rest: number; readonly webSocket: number },
): HubAddress {
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
