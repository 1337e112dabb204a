import { lstatSync, mkdirSync, rmdirSync } from 'node:fs'
import { PerduraError } from '../../errors.ts'
import { sharedFolderOf } from '../socket-place.ts'

/** Makes a folder that is nobody else's; refuses one that another user made there first, or may write to. */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  checkPrivateFolder(path)
}

/**
 * Before a socket is connected to: in a folder that anybody can make, somebody else could have it and be told what is for this
 * user. Throws where the folder is not there. While it is this user's, nobody else can put another in its place: /tmp is sticky.
 */
export function checkSocketFolder(socketPath: string): void {
  const folder = sharedFolderOf(socketPath)
  if (folder !== undefined) checkPrivateFolder(folder)
}

function checkPrivateFolder(path: string): void {
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
