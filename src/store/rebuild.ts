import { join } from 'node:path'
import { PerduraError, toError } from '../errors.ts'
import type { Database } from '../platform/database.ts'
import type { Disk } from '../platform/disk.ts'
import type { Log } from '../platform/log.ts'
import { scanChain } from './chain-scan.ts'
import type { CopySource, KeptCopy } from './copy-source.ts'
import { listCuts, verifyCut } from './cut.ts'
import type { DatabaseFiles } from './database.ts'
import { newestChain } from './newest-chain.ts'
import { checkCopy } from './portable.ts'
import { readPosition } from './position.ts'

export interface RebuildOptions {
  readonly disk: Disk
  readonly files: DatabaseFiles
  readonly log: Log
  /** The agent's folder; its journal is in `journal/`. */
  readonly folder: string
  readonly copies?: CopySource
}

/**
 * Makes a copy the database, where there is none. Of the copies beside the journal the newest that is whole; where none is, the
 * newest backup from which the journal leads to its end. The journal does the rest. False where there is no such copy.
 */
export function rebuildFromCopy(options: RebuildOptions): boolean {
  const { disk, files, log, folder, copies } = options
  const journal = join(folder, 'journal')
  const chain = newestChain(disk, journal)
  for (const cut of listCuts(disk, journal)
    .filter((one) => one.chain === chain)
    .toReversed()) {
    if (!verifyCut(disk, journal, cut)) {
      log.error('store:cut:corrupt', { cut: cut.name })
      continue
    }
    files.restoreFrom(join(journal, cut.name))
    log.warn('store:database:rebuilt', { cut: cut.name })
    return true
  }
  const backups = copies?.list().filter((copy) => copy.chain === chain) ?? []
  return backups.some((backup) => restoreBackup(options, backup, { leadsToEnd: true }))
}

/**
 * The same where nothing is left of the journal either: the newest backup that is whole, of whatever chain. What was
 * committed after it is lost.
 */
export function restoreNewestBackup(options: RebuildOptions): boolean {
  const backups = options.copies?.list() ?? []
  return backups.some((backup) => restoreBackup(options, backup, { leadsToEnd: false }))
}

function restoreBackup(
  { disk, files, log, folder, copies }: RebuildOptions,
  backup: KeptCopy,
  { leadsToEnd }: { readonly leadsToEnd: boolean },
): boolean {
  const scratch = join(folder, 'recovery.tmp')
  if (disk.exists(scratch)) disk.remove(scratch)
  try {
    copies?.extract(backup, scratch)
    checkCopy(files, scratch)
    if (leadsToEnd && !leadsOn(disk, files, folder, scratch)) {
      log.warn('store:backup:short', { backup: backup.name, sequence: backup.sequence })
      return false
    }
    files.restoreFrom(scratch)
    const fields = { backup: backup.name, sequence: backup.sequence }
    if (leadsToEnd) log.warn('store:backup:restored', fields)
    else log.error('store:backup:restored', { ...fields, lost: 'what was committed after it' })
    return true
  } catch (error) {
    // A disk that fails, or is full, says nothing about the backup.
    if (!(error instanceof PerduraError)) throw error
    log.error('store:backup:unusable', { backup: backup.name, error: toError(error) })
    return false
  } finally {
    if (disk.exists(scratch)) disk.remove(scratch)
  }
}

/** Whether the journal has every change from the copy on. */
function leadsOn(disk: Disk, files: DatabaseFiles, folder: string, copy: string): boolean {
  const database: Database = files.openCopy(copy)
  try {
    const position = readPosition(database)
    return (
      scanChain(disk, join(folder, 'journal'), position.chain, position, () => undefined).kind === 'intact'
    )
  } finally {
    database.close()
  }
}
