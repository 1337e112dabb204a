/** Where a storage key can be kept. */
export type KeyKeeper = 'systemd' | 'keychain' | 'file'

export const keyKeepers = ['systemd', 'keychain', 'file'] as const satisfies readonly KeyKeeper[]

/** What the credentials of a home are sealed with on disk. */
export interface StorageKey {
  readonly keeper: KeyKeeper
  /** 32 bytes. */
  readonly bytes: Uint8Array
}

/** The storage key of one home, wherever the machine can keep it best. Never waits for a person. */
export interface KeyChest {
  /**
   * What new files are sealed with: of systemd, else of the home's key file where there is one, else of the keychain, else
   * of a new key file. What is made is kept for good when this returns.
   */
  open(): StorageKey
  /**
   * What a file was sealed with. Undefined where its keeper has none, or is not there for this process; never makes one.
   * ERR_CREDENTIALS_KEY where it has one that cannot be used.
   */
  find(keeper: KeyKeeper): StorageKey | undefined
  /** Takes the rights of others at this file away, if they have any, and says so. */
  protect(path: string): void
}
