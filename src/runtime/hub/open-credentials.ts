import { type CredentialFile, openCredentialFile } from '../../credentials/credential-file.ts'
import { HubCredentials } from '../../credentials/hub-credentials.ts'
import type { Log } from '../../platform/log.ts'
import type { Platform } from '../../platform/platform.ts'
import type { HubAddresses } from '../../session/hub-addresses.ts'

export interface OpenCredentialsOptions {
  readonly platform: Pick<Platform, 'disk' | 'random' | 'locks' | 'openKeyChest'>
  /** Whose storage key the file is sealed with. */
  readonly home: string
  readonly path: string
  readonly log: Log
}

/** The credentials of an agent or a person of this home, sealed the best way that the machine has. */
export function openCredentials({ platform, home, path, log }: OpenCredentialsOptions): CredentialFile {
  const { disk, random, locks, openKeyChest } = platform
  return openCredentialFile({ disk, random, locks, chest: openKeyChest(home, log), path })
}

export interface CreateHubCredentialsOptions {
  readonly platform: Pick<Platform, 'boot' | 'clock' | 'http' | 'random'>
  readonly file: CredentialFile
  readonly addresses: HubAddresses
  readonly name: string
  readonly log: Log
  /** Accept that another hub than before is at this address; see ERR_HUB_IDENTITY. */
  readonly trustNewHub?: boolean | undefined
}

/** What proves at the hub with these addresses who has the file. */
export function createHubCredentials(options: CreateHubCredentialsOptions): HubCredentials {
  const { platform, file, addresses, name, log, trustNewHub } = options
  const { boot, clock, http, random } = platform
  return new HubCredentials({
    file,
    http,
    clock,
    boot,
    random,
    log,
    hub: { addresses, pathPrefix: '' },
    name,
    ...(trustNewHub !== undefined && { trustNewHub }),
  })
}
