import { type CredentialFile, openCredentialFile } from '../../credentials/credential-file.ts'
import type { Log } from '../../platform/log.ts'
import type { Platform } from '../../platform/platform.ts'

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
