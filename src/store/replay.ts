import { join } from 'node:path'
import { PerduraError } from '../errors.ts'
import type { Database } from '../platform/database.ts'
import type { Disk } from '../platform/disk.ts'
import { scanChain } from './chain-scan.ts'
import type { DatabaseFiles } from './database.ts'
import type { JournalRecord } from './journal-record.ts'
import { readPosition, writePosition } from './position.ts'

const recordsPerTransaction = 500

/** Applies the records that `walk` hands out, many a transaction. Returns how many there were. */
export function applyRecords(
  database: Database,
  walk: (visit: (record: JournalRecord) => void) => unknown,
): number {
  const setPosition = writePosition(database)
  let applied = 0
  const commit = (): void => {
    if (database.isTransaction) database.exec('COMMIT')
  }
  try {
    walk((record) => {
      if (!database.isTransaction) database.exec('BEGIN IMMEDIATE')
      if (!database.applyChangeset(record.payload)) {
        throw new PerduraError(
          'ERR_JOURNAL_CORRUPT',
          `change ${record.sequence} does not fit the database: state.db was changed by something other than Perdura. ` +
            'Move state.db (with its -wal and -shm) away, and the next start rebuilds it from the journal',
        )
      }
      setPosition({ sequence: record.sequence, hash: record.hash })
      applied += 1
      if (applied % recordsPerTransaction === 0) commit()
    })
    commit()
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
  return applied
}

/**
 * Brings a copy to the end of the journal, whose process may have been killed between its commit and the database. The agent must
 * not be running. A journal that does not lead on from the copy changes nothing.
 */
export function catchUpCopy(disk: Disk, files: DatabaseFiles, folder: string, copy: string): void {
  const journal = join(folder, 'journal')
  files.editCopy(copy, (database) => {
    const position = readPosition(database)
    const scan = scanChain(disk, journal, position.chain, position, () => undefined)
    if (scan.kind !== 'intact' || scan.last.sequence === position.sequence) return
    applyRecords(database, (visit) => scanChain(disk, journal, position.chain, position, visit))
  })
}
