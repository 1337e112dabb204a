import type { Log } from '../../platform/log.ts'
import type { Platform } from '../../platform/platform.ts'
import type { HubAddress } from '../../session/hub-address.ts'
import { HubAddresses } from '../../session/hub-addresses.ts'
import type { RetryLimits } from '../../session/retry-policy.ts'
import type { SessionLimits } from '../../session/session-limits.ts'
import { createHubProbe } from './hub-probe.ts'
import { HubLink, type HubOptions } from './hub-link.ts'
import { createHubCredentials, openCredentials } from './open-credentials.ts'

export interface OpenHubOptions {
  /** Of one hub, the preferred one first. */
  readonly addresses: readonly HubAddress[]
  /** The agent's name, which is its name at the hub too. */
  readonly name: string
  readonly home: string
  /** Where the agent's key and tokens are. */
  readonly credentialsPath: string
  readonly platform: Platform
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
  const { name, home, credentialsPath, platform, log, takeover, trustNewHub, limits, retry } = options
  const { http, clock, transport, network } = platform
  const addresses = new HubAddresses({ list: options.addresses, clock, log })
  const file = openCredentials({ platform, home, path: credentialsPath, log })
  const credentials = createHubCredentials({ platform, file, addresses, name, log, trustNewHub })
  return {
    key: addresses.current.key,
    addresses,
    transport,
    network,
    http,
    ...(options.addresses.length > 1 && {
      probe: createHubProbe({ http, log, name, hubId: () => credentials.hubId }),
    }),
    createLink: (options) => new HubLink(options),
    credentials,
    ...(takeover !== undefined && { takeover }),
    ...(limits !== undefined && { limits }),
    ...(retry !== undefined && { retry }),
  }
}
