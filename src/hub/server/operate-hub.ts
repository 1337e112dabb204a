import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PerduraError } from '../../errors.ts'
import { openDatabaseFile } from '../../platform/node/sqlite-file.ts'
import type { Platform } from '../../platform/platform.ts'
import type { HubTx } from '../storage.ts'
import { SqliteStorage } from '../storage/sqlite-storage.ts'
import { migrations } from '../storage/sqlite-schema.ts'

/**
 * Changes something in the database of a hub that may be running: both are writers of one SQLite file, for the moment that a
 * transaction takes. The hub finds it with its next look. It is never migrated here, under the feet of an older hub.
 */
export async function operateHub<T>(
  { folder, platform }: { readonly folder: string; readonly platform: Pick<Platform, 'clock' | 'process'> },
  operation: (tx: HubTx, now: number) => Promise<T>,
): Promise<T> {
  const path = join(folder, 'hub.db')
  if (!existsSync(path)) {
    throw new PerduraError('ERR_NOT_RUNNING', `no hub has run in ${folder}: perdura hub run starts one`)
  }
  const { clock, process } = platform
  const database = openDatabaseFile(path, 'FULL')
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number }
  if (version !== migrations.length) {
    database.close()
    throw new PerduraError(
      'ERR_STORE_NEWER',
      `the hub's database has schema ${version}, and this version has ${migrations.length}: use the version of Perdura ` +
        'that the hub runs with, or start the hub anew with this one',
    )
  }
  const storage = new SqliteStorage({ database, clock, process })
  try {
    return await storage.write((tx) => operation(tx, clock.now()))
  } finally {
    await storage.close()
  }
}
