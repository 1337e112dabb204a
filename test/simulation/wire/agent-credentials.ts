import { type CredentialFile, openCredentialFile } from '../../../src/credentials/credential-file.ts'
import { HubCredentials } from '../../../src/credentials/hub-credentials.ts'
import type { AskedAddresses } from '../../../src/credentials/hub-place.ts'
import type { Log } from '../../../src/platform/log.ts'
import type { Platform } from '../../../src/platform/platform.ts'
import type { HubAddress } from '../../../src/session/hub-address.ts'
import { HubAddresses } from '../../../src/session/hub-addresses.ts'

export const credentialsPath = '/agent/credentials'
/** The name that the agents know is that of the first; a load balancer may lead them to the other. */
export const hubHosts = ['hub', 'hub2'] as const
export const hubPort = 8768

export type OpenFile = (parts: Parameters<typeof openCredentialFile>[0]) => CredentialFile

export interface OpenedCredentials {
  readonly key: string
  readonly addresses: HubAddresses
  readonly file: CredentialFile
  readonly credentials: HubCredentials
  readonly create: CreateCredentials
}

/** Credentials for other addresses than the agent's, or with another file. */
export type CreateCredentials = (addresses: AskedAddresses, file: CredentialFile) => HubCredentials

/** What a process of an agent has in order to act at the hub: the agent's own, or another one beside it. */
export function openAgentCredentials(
  platform: Platform,
  {
    name,
    log,
    openFile = openCredentialFile,
    count = 1,
  }: {
    readonly name: string
    readonly log: Log
    readonly openFile?: OpenFile | undefined
    /** How many of the hubs it knows by address. */
    readonly count?: number
  },
): OpenedCredentials {
  const { boot, clock, disk, http, locks, random } = platform
  const file = openFile({
    disk,
    random,
    locks,
    chest: platform.openKeyChest('/', log),
    path: credentialsPath,
  })
  const list = hubHosts.slice(0, count).map(addressAt)
  const addresses = new HubAddresses({ list, clock, log })
  const create: CreateCredentials = (asked, own) => {
    const hub = { addresses: asked, pathPrefix: '' }
    return new HubCredentials({ file: own, http, clock, boot, random, log, hub, name })
  }
  return { key: addresses.current.key, addresses, file, credentials: create(addresses, file), create }
}

function addressAt(host: string): HubAddress {
  const rest = { host, port: hubPort, tls: false }
  return { key: `http://${host}:${hubPort}`, rest, webSocketUrl: `ws://${host}:${hubPort}` }
}
