import { openCredentialFile } from '../../credentials/credential-file.ts'
import { HubCredentials } from '../../credentials/hub-credentials.ts'
import type { Log } from '../../platform/log.ts'
import type { Platform } from '../../platform/platform.ts'
import type { HubAddress } from '../../session/hub-address.ts'
import { HubAddresses } from '../../session/hub-addresses.ts'
import type { RetryLimits } from '../../session/retry-policy.ts'
import type { SessionLimits } from '../../session/session-limits.ts'
import { HubLink, type HubOptions } from './hub-link.ts'

export interface OpenHubOptions {
  /** Of one hub, the preferred one first. */
  readonly addresses: readonly HubAddress[]
  /** The agent's name, which is its name at the hub too. */
  readonly name: string
  /** Where the agent's key and tokens are. */
  readonly credentialsPath: string
  readonly platform: Pick<Platform, 'disk' | 'http' | 'clock' | 'random' | 'transport' | 'network'>
  readonly log: Log
  /** Take the session from whichever process has it. */
  readonly takeover?: boolean
  /** Accept that another hub than before is at this address; see ERR_HUB_IDENTITY. */
  readonly trustNewHub?: boolean
  readonly limits?: Partial<SessionLimits>
  readonly retry?: Partial<RetryLimits>
}

/** What an agent needs of a hub: where it is, and what proves to it who the agent is. */
export function openHub(options: OpenHubOptions): HubOptions {
  const { name, credentialsPath, platform, log, takeover, trustNewHub, limits, retry } = options
  const { disk, http, clock, random, transport, network } = platform
  const addresses = new HubAddresses({ list: options.addresses, clock, log })
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
    key: addresses.current.key,
    addresses,
    transport,
    network,
    http,
    createLink: (options) => new HubLink(options),
    credentials,
    ...(takeover !== undefined && { takeover }),
    ...(limits !== undefined && { limits }),
    ...(retry !== undefined && { retry }),
  }
}
