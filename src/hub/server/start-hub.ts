import { statSync } from 'node:fs'
import { join } from 'node:path'
import { PerduraError, toError } from '../../errors.ts'
import type { Database } from '../../platform/database.ts'
import type { HttpAddress } from '../../platform/http.ts'
import type { Log } from '../../platform/log.ts'
import { createNodeHttpListener } from '../../platform/node/http-server.ts'
import { lockFile, openDatabaseFile } from '../../platform/node/sqlite-file.ts'
import type { Platform } from '../../platform/platform.ts'
import { createHub, type Hub, type HubOptions } from '../hub.ts'
import { SqliteStorage } from '../storage/sqlite-storage.ts'

export interface StartHubOptions {
  /** Where its database and keys are; made where it is missing. */
  readonly folder: string
  /** Default: the ports of the original, 8767 and 8768 of loopback; both kinds are served on each. */
  readonly addresses?: readonly HttpAddress[]
  readonly platform: Pick<Platform, 'clock' | 'random' | 'disk' | 'process'>
  readonly log: Log
  readonly auth?: NonNullable<HubOptions['auth']>
  readonly limits?: NonNullable<HubOptions['limits']>
  readonly streamLimits?: NonNullable<HubOptions['streamLimits']>
  readonly requestsPerMinute?: number
  readonly admission?: NonNullable<HubOptions['admission']>
  readonly activity?: NonNullable<HubOptions['activity']>
  readonly sendQueuesBytesMax?: number
  readonly watch?: NonNullable<HubOptions['watch']>
  readonly pages?: NonNullable<HubOptions['pages']>
}

const defaultHubAddresses: readonly HttpAddress[] = [
  { host: '127.0.0.1', port: 8767 },
  { host: '127.0.0.1', port: 8768 },
]

/** A connection costs a file descriptor and some kilobytes; what the system allows ends before this. */
export const hubConnectionsMax = 50_000

/** Starts a hub on its own folder, with the embedded database. ERR_HOME_IN_USE where another process has it. */
export async function startHub(options: StartHubOptions): Promise<Hub> {
  const { folder, platform, log, addresses = defaultHubAddresses } = options
  const { clock, disk, process } = platform
  try {
    disk.makeFolder(folder)
  } catch (cause) {
    throw new PerduraError(
      'ERR_HOME_UNWRITABLE',
      `cannot make ${folder} (${toError(cause).message}): give this user the right to, or choose another with --home`,
      { cause },
    )
  }
  const lock = lockFile(join(folder, 'lock.db'), 'the hub')
  try {
    const file = join(folder, 'hub.db')
    const database = openDatabaseFile(file, 'FULL')
    const hub = await createHub({
      ...options,
      platform: { ...platform, listener: createNodeHttpListener({ connectionsMax: hubConnectionsMax }) },
      log,
      storage: new SqliteStorage({ database, clock, process, checkPlace: placeOf(file, database) }),
      keysFolder: join(folder, 'keys'),
      addresses,
    })
    return {
      addresses: hub.addresses,
      get sessionCount() {
        return hub.sessionCount
      },
      get connectionCount() {
        return hub.connectionCount
      },
      probe: (depth) => hub.probe(depth),
      backlog: () => hub.backlog(),
      async close(graceMs) {
        await hub.close(graceMs)
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

/**
 * SQLite goes on writing into files that have no name any more, and all of it would be gone with the process: what is
 * acknowledged has to be where the next one finds it. A look at both costs some microseconds, a commit hundreds.
 */
function placeOf(path: string, database: Database): () => void {
  // Until something is read there is no WAL.
  database.prepare('PRAGMA user_version').get()
  const journal = `${path}-wal`
  const [openedFile, openedJournal] = [identityOf(path), identityOf(journal)]
  return () => {
    const found = identityOf(path)
    if (found !== openedFile) {
      const text =
        found === undefined
          ? `${path} is gone: put it back, or start the hub anew without what it knew`
          : `${path} is another file now: put the one back that the hub had, or restart the hub to have it use this one`
      throw new PerduraError('ERR_HUB_STORAGE', text)
    }
    // At its clean end SQLite brings into the database what only the WAL has, which it still has open.
    if (identityOf(journal) !== openedJournal)
      throw new PerduraError(
        'ERR_HUB_STORAGE',
        `${journal} has been taken away: restart the hub with SIGTERM, not SIGKILL; it still has what was in it, and saves that when it stops`,
      )
  }
}

/** Device and inode; undefined where there is none. */
function identityOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat && `${stat.dev}:${stat.ino}`
}
