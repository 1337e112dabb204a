import { join } from 'node:path'
import { PerduraError, toError } from '../errors.ts'
import { GroupCommit, StatementCache } from './group-commit.ts'
import {
  defaultStoreLimits,
  Opening,
  type StoreLimits,
  type StoreOptions,
  type StoreRecovery,
} from './opening.ts'
import { isSqliteError } from '../platform/sqlite-error.ts'
import type { Store } from './store.ts'

export type { StoreLimits, StoreOptions, StoreRecovery }

/** Takes the agent's lock, makes journal and database agree, and opens them for writing. */
export async function openStore(options: StoreOptions): Promise<{ store: Store; recovered: StoreRecovery }> {
  const opening = new Opening(options)
  let lock: ReturnType<typeof options.files.lock> | undefined
  try {
    options.disk.makeFolder(join(options.folder, 'journal'))
    const held = (lock = options.files.lock())
    // What a killed process renamed into place is visible, and still lost at a power cut until the folder is synced.
    options.disk.syncFolder(join(options.folder, 'journal'))
    const { database, journal, retention, recovered } = opening.run()
    const reader = options.files.openReader()
    const limits = { ...defaultStoreLimits, ...options.limits }
    const commit = new GroupCommit({
      ...limits,
      database,
      journal,
      clock: options.clock,
      process: options.process,
      onCommitted: options.onCommitted,
    })
    const store: Store = {
      reader: new StatementCache(reader),
      write: (operation) => commit.write(operation),
      get position() {
        return commit.position
      },
      async close() {
        await commit.close()
        await retention.close()
        await journal.close()
        try {
          reader.close()
          // Not needed for safety; it leaves nothing to catch up with at the next start.
          options.files.checkpoint(database)
        } catch (error) {
          options.log.warn('store:close:failed', { error: toError(error) })
        }
        database.close()
        held.release()
      },
    }
    return await Promise.resolve({ store, recovered })
  } catch (error) {
    opening.abandon()
    lock?.release()
    const { folder } = options
    if (isUnwritable(error)) {
      throw new PerduraError(
        'ERR_HOME_UNWRITABLE',
        `cannot write in ${folder} (${toError(error).message}): give this user the right to, or choose another folder with --home or PERDURA_HOME`,
        { cause: error },
      )
    }
    if (!isDiskFull(error)) throw error
    throw new PerduraError(
      'ERR_STORE_WRITE',
      `no room to open the agent in ${folder} (${toError(error).message}): free some disk space, and check that this user may write there`,
      { cause: error },
    )
  }
}

/** A read-only file system, or files that belong to somebody else. */
function isUnwritable(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return code === 'EROFS' || code === 'EACCES' || code === 'EPERM' || isSqliteError(error, 'readOnly')
}

function isDiskFull(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  // CANTOPEN is also what SQLite says of a file that it may not make; but of one that it had no room for it must not be
  // taken as something that never passes.
  return code === 'ENOSPC' || code === 'EDQUOT' || isSqliteError(error, 'full', 'cannotOpen')
}
