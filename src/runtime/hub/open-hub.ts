import { openCredentialFile } from '../../credentials/credential-file.ts'
import { HubCredentials } from '../../credentials/hub-credentials.ts'
import { PerduraError } from '../../errors.ts'
import { parseHttpUrl } from '../../platform/http-json.ts'
import { describeAddress } from '../../platform/http-error.ts'
import type { Log } from '../../platform/log.ts'
import type { Platform } from '../../platform/platform.ts'
import type { HubOptions } from './hub-link.ts'

export interface OpenHubOptions {
  /** Such as `http://127.0.0.1:8767`. */
  readonly url: string
  /** The agent's name, which is its name at the hub too. */
  readonly name: string
  /** Where the agent's key and tokens are. */
  readonly credentialsPath: string
  readonly platform: Pick<Platform, 'disk' | 'http' | 'clock' | 'random' | 'transport'>
  readonly log: Log
  /** Take the session from whichever process has it. */
  readonly takeover?: boolean
}

/** The ports of the original, one of each kind. */
const restPort = 8767
const webSocketPort = 8768

/** What an agent needs of a hub: where it is, and what proves to it who the agent is. */
export function openHub({ url, name, credentialsPath, platform, log, takeover }: OpenHubOptions): HubOptions {
  const { disk, http, clock, random, transport } = platform
  const { address, pathPrefix } = parseHttpUrl(url)
  if (pathPrefix !== '') {
    throw new PerduraError('ERR_USAGE', 'the address of a hub has no path: write http://host:port')
  }
  const { rest, webSocket } = bothPorts(address.port)
  const restAddress = { ...address, port: rest }
  const key = `${address.tls ? 'https' : 'http'}://${describeAddress({ host: address.host, port: rest })}`
  const file = openCredentialFile({ disk, random, path: credentialsPath })
  const credentials = new HubCredentials({
    file,
    http,
    clock,
    random,
    log,
    hub: { restAddress, pathPrefix, key },
    name,
  })
  const socketAddress = describeAddress({ host: address.host, port: webSocket })
  return {
    key,
    url: `${address.tls ? 'wss' : 'ws'}://${socketAddress}`,
    transport,
    credentials: {
      access: (options) => credentials.access(options),
      invalidate: (token) => credentials.invalidate(token),
      recordGeneration: (generation) => credentials.recordGeneration(generation),
      get kept() {
        return { generation: file.generation(key), claim: file.claim(key) }
      },
      close: () => credentials.close(),
    },
    ...(takeover !== undefined && { takeover }),
  }
}

/** Either of the original's two ports names both; with any other, both kinds are served on it. */
function bothPorts(port: number): { readonly rest: number; readonly webSocket: number } {
  if (port === restPort || port === webSocketPort) return { rest: restPort, webSocket: webSocketPort }
  return { rest: port, webSocket: port }
}
