import { join } from 'node:path'
import { PerduraError } from '../errors.ts'
import type { Disk } from '../platform/disk.ts'
import { StatementCache } from './group-commit.ts'
import { scanChain } from './chain-scan.ts'
import type { Database } from '../platform/database.ts'
import { isCorruption } from './corruption.ts'
import { assertReadable, readPosition, schemaVersion } from './position.ts'
import { migrations } from './schema.ts'
import { openReader } from './sqlite/files.ts'
import type { Reader } from './store.ts'

/** An agent's database for looking only, whether the agent runs or not. */
export interface ReadOnlyStore {
  readonly reader: Reader
  /** Changes that are in the journal and not yet in the database; the next start applies them. */
  readonly lag: number
  close(): void
}

/** Opens the database in an agent's folder without changing it or its journal. ERR_NO_SUCH_AGENT where there is none. */
export function openReadOnly(folder: string, disk: Disk): ReadOnlyStore {
  const path = join(folder, 'state.db')
  if (!disk.exists(path))
    throw new PerduraError('ERR_NO_SUCH_AGENT', `there is no agent in ${folder}: see perdura status`)
  let database: Database | undefined
  try {
    database = openReader(path)
    if (schemaVersion(database) === 0) {
      throw new PerduraError(
        'ERR_NO_SUCH_AGENT',
        `the agent in ${folder} has never been started: start it first`,
      )
    }
    assertReadable(database, migrations.length)
    const position = readPosition(database)
    const lag = countRecordsAfter(disk, join(folder, 'journal'), position)
    const opened = database
    return { reader: new StatementCache(opened), lag, close: () => opened.close() }
  } catch (error) {
    database?.close()
    if (!isCorruption(error)) throw error
    throw new PerduraError(
      'ERR_STORE_CORRUPT',
      `${path} is damaged: start the agent, which rebuilds it from its journal`,
      {
        cause: error,
      },
    )
  }
}

const attemptsMax = 5

/** The agent may be running: a segment that was listed may have been retired before it is looked into. */
function countRecordsAfter(disk: Disk, journal: string, position: ReturnType<typeof readPosition>): number {
  for (let attempt = 1; ; attempt++) {
    let count = 0
    try {
      scanChain(disk, journal, position.chain, position, () => (count += 1))
      return count
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT' || attempt === attemptsMax) throw error
    }
  }
}
