import { CredentialFile, type Login } from '../../../src/credentials/credential-file.ts'
import type { Lock } from '../../../src/platform/locks.ts'
import { noMishaps } from '../wire/mishaps.ts'
import type { WireMutant } from './wire-mutants.ts'

const crowded = { ...noMishaps, operators: 40, delayMsMax: 400, accessTtlS: 60 }

/** Agents and hubs that are careless with refresh tokens. */
export const tokenMutants: readonly WireMutant[] = [
  {
    name: 'an agent that shows its refresh token without a note on disk',
    caughtBy: ['no-reuse-alarm'],
    mishaps: crowded,
    swaps: () => ({ openFile: (parts) => new WithoutNotes(parts) }),
  },
  {
    name: 'an agent that drops what it had before the new token is stored',
    caughtBy: ['no-reuse-alarm'],
    mishaps: crowded,
    swaps: () => ({ openFile: (parts) => new DropsFirst(parts) }),
  },
  {
    name: 'processes that ask for tokens without a lock',
    caughtBy: ['no-reuse-alarm'],
    mishaps: { ...crowded, operators: 80, lossRate: 0.05, partitions: 3 },
    swaps: () => ({ openFile: (parts) => new WithoutLock(parts) }),
  },
  {
    name: 'a hub whose grace is for any token of the login',
    caughtBy: ['one-live-leaf'],
    mishaps: { ...crowded, thieves: 20 },
    swaps: () => ({
      hub: { standing: (family, { jti }) => (jti === family.leaf ? 'leaf' : 'previous') },
    }),
  },
]

class WithoutNotes extends CredentialFile {
  override recordAsked(): void {}
}

class DropsFirst extends CredentialFile {
  override recordLogin(hub: string, login: Login): void {
    this.recordUnasked(hub)
    super.recordLogin(hub, login)
  }
}

class WithoutLock extends CredentialFile {
  override tryLockTokens(): Lock {
    return { release: () => undefined }
  }
}
