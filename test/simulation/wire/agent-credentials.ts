import { type CredentialFile, openCredentialFile } from '../../../src/credentials/credential-file.ts'
import { HubCredentials } from '../../../src/credentials/hub-credentials.ts'
import type { Log } from '../../../src/platform/log.ts'
import type { Platform } from '../../../src/platform/platform.ts'
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
}

/** What a process of an agent has in order to act at the hub: the agent's own, or another one beside it. */
export function openAgentCredentials(
  platform: Platform,
  {
    name,
    log,
    openFile = openCredentialFile,
  }: { readonly name: string; readonly log: Log; readonly openFile?: OpenFile | undefined },
): OpenedCredentials {
  const { boot, clock, disk, http, locks, random } = platform
  const file = openFile({
    disk,
    random,
    locks,
    chest: platform.openKeyChest('/', log),
    path: credentialsPath,
  })
  const key = `http://${hubHosts[0]}:${hubPort}`
  const rest = { host: hubHosts[0], port: hubPort, tls: false }
  const address = { key, rest, webSocketUrl: `ws://${hubHosts[0]}:${hubPort}` }
  const addresses = new HubAddresses({ list: [address], clock, log })
  const hub = { addresses, pathPrefix: '' }
  return {
    key,
    addresses,
    file,
    credentials: new HubCredentials({ file, http, clock, boot, random, log, hub, name }),
  }
}
