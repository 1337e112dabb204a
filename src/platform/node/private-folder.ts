import { lstatSync, mkdirSync, rmdirSync } from 'node:fs'
import { PerduraError } from '../../errors.ts'

/** Makes a folder that is nobody else's; refuses one that another user made there first, or may write to. */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const facts = lstatSync(path)
  const mine = facts.isDirectory() && facts.uid === process.getuid?.()
  if (!mine || (facts.mode & 0o077) !== 0) {
    throw new PerduraError(
      'ERR_HOME_UNWRITABLE',
      `${path} must be a folder that only this user can use: remove it`,
    )
  }
}

/** Removes it where nothing is left in it. */
export function removePrivateFolder(path: string): void {
  try {
    rmdirSync(path)
  } catch {
    // Somebody has something in it, or has removed it: then it is theirs.
  }
}
