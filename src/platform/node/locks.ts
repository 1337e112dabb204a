import { PerduraError } from '../../errors.ts'
import type { Locks } from '../locks.ts'
import { tryLockFile } from './sqlite-file.ts'

export function createNodeLocks(): Locks {
  return {
    tryLock: (path) => tryLockFile(path, 0),
    lock(path, waitMs) {
      const lock = tryLockFile(path, waitMs)
      if (lock !== undefined) return lock
      throw new PerduraError(
        'ERR_STORE_BUSY',
        `another process has had ${path} for ${waitMs} ms: look which one is stopped, and end it`,
      )
    },
  }
}
