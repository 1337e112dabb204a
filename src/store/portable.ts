import { PerduraError } from '../errors.ts'
import type { Database } from '../platform/database.ts'
import type { Random } from '../platform/random.ts'
import type { DatabaseFiles } from './database.ts'
import { isCorruption } from './corruption.ts'
import { assertReadable, beginChain, readPosition, schemaVersion } from './position.ts'
import { migrations } from './schema.ts'

/** What a whole copy of an agent's database was found to be. */
export interface PortableCopy {
  readonly schemaVersion: number
  readonly chain: number
  readonly sequence: number
}

/**
 * Copies the database to `target`, which is to become the agent somewhere else, and checks every page of the copy:
 * ERR_STORE_CORRUPT where it is damaged. The caller holds the agent's lock, and nothing is being written.
 */
export async function copyWhole(files: DatabaseFiles, target: string): Promise<PortableCopy> {
  await files.copyTo(target)
  return checkCopy(files, target)
}

/** ERR_STORE_CORRUPT where the copy at `path` is damaged, ERR_STORE_NEWER where a newer Perdura wrote it. */
export function checkCopy(files: DatabaseFiles, path: string): PortableCopy {
  const copy = files.openCopy(path)
  try {
    checkPages(copy)
    assertReadable(copy, migrations.length)
    const { chain, sequence } = readPosition(copy)
    return { schemaVersion: schemaVersion(copy), chain: chain.number, sequence }
  } catch (error) {
    throw isCorruption(error) ? damaged(error) : error
  } finally {
    copy.close()
  }
}

/**
 * Makes the copy at `source` the database, where there is none. It begins a chain of its own: the journal that led to it
 * stayed where it came from, and what happens to it there is no part of this agent's history.
 */
export function adoptCopy(files: DatabaseFiles, random: Random, source: string): void {
  files.restoreFrom(source)
  const database = files.open()
  try {
    beginChain(database, migrations, readPosition(database).chain.number + 1, random.bytes(16))
    files.checkpoint(database)
  } finally {
    database.close()
  }
}

/**
 * Puts a copy at the start of a chain of its own, whose number is higher than `above`, in the schema that the copy has: so that the
 * version of Perdura that wrote it can still read it.
 */
export function beginChainInCopy(files: DatabaseFiles, random: Random, path: string, above: number): void {
  files.editCopy(path, (copy) => {
    const number = Math.max(above, readPosition(copy).chain.number) + 1
    beginChain(copy, migrations.slice(0, schemaVersion(copy)), number, random.bytes(16))
  })
}

function checkPages(database: Database): void {
  const row = database.prepare('PRAGMA integrity_check(1)').get() as { integrity_check: string }
  if (row.integrity_check !== 'ok') throw damaged(new Error(row.integrity_check))
}

function damaged(cause: unknown): PerduraError {
  return new PerduraError(
    'ERR_STORE_CORRUPT',
    'the database is damaged, and is not taken elsewhere: start the agent, which rebuilds it from its journal, and try again',
    { cause },
  )
}
