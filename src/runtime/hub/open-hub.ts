import { openCredentialFile } from '../../credentials/credential-file.ts'
import { HubCredentials } from '../../credentials/hub-credentials.ts'
import type { Log } from '../../platform/log.ts'
import type { Platform } from '../../platform/platform.ts'
import { hubAddress } from '../../session/hub-address.ts'
import { HubAddresses } from '../../session/hub-addresses.ts'
import type { SessionLimits } from '../../session/session.ts'
import { HubLink, type HubOptions } from './hub-link.ts'

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
  /** Accept that another hub than before is at this address; see ERR_HUB_IDENTITY. */
  readonly trustNewHub?: boolean
  readonly limits?: Partial<SessionLimits>
}

/** What an agent needs of a hub: where it is, and what proves to it who the agent is. */
export function openHub(options: OpenHubOptions): HubOptions {
  const { url, name, credentialsPath, platform, log, takeover, trustNewHub, limits } = options
  const { disk, http, clock, random, transport } = platform
  const address = hubAddress(url)
  const addresses = new HubAddresses({ list: [address], clock, log })
  const file = openCredentialFile({ disk, random, path: credentialsPath })
  const credentials = new HubCredentials({
    file,
    http,
    clock,
    random,
    log,
    hub: { addresses, pathPrefix: '' },
    name,
    ...(trustNewHub !== undefined && { trustNewHub }),
  })
  return {
    key: address.key,
    addresses,
    transport,
    http,
    createLink: (options) => new HubLink(options),
    credentials,
    ...(takeover !== undefined && { takeover }),
    ...(limits !== undefined && { limits }),
  }
}
