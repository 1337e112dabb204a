import { backup, DatabaseSync } from 'node:sqlite'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  closeSync,
  fsyncSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Database } from '../../platform/database.ts'
import { configure, lockFile, openDatabaseFile } from '../../platform/node/sqlite-file.ts'
import type { DatabaseFiles } from '../database.ts'
import { isSqliteError } from '../../platform/sqlite-error.ts'

const companions = ['', '-wal', '-shm'] as const

/** The files `state.db` and `lock.db` of an agent's folder. */
export function createDatabaseFiles(folder: string): DatabaseFiles {
  const path = join(folder, 'state.db')
  return {
    lock: () => lockFile(join(folder, 'lock.db'), 'the agent'),
    exists: () => companions.some((companion) => existsSync(path + companion)),
    sizeBytes: () => statSync(path, { throwIfNoEntry: false })?.size ?? 0,
    open: () => openDatabaseFile(path, 'NORMAL'),
    openReader: () => connectReader(path),
    checkpoint,
    quarantine: (target) => quarantine(path, target),
    async copyTo(target) {
      // A connection of its own: `backup` holds the source's mutex in its thread, and the readers must not wait for it.
      const source = new DatabaseSync(path, { readOnly: true })
      try {
        // SQLite would make it readable for others.
        writeFileSync(target, '', { mode: 0o600 })
        // All of it in one step: where it is interrupted, every change of the source would have it begin anew.
        await backup(source, target, { rate: 2_147_483_647 })
      } finally {
        source.close()
      }
    },
    copyNow(connection, target) {
      rmSync(target, { force: true })
      connection.prepare('VACUUM INTO ?').run(target)
      chmodSync(target, 0o600)
    },
    openCopy: openImmutable,
    editCopy(copy, use) {
      const connection = new DatabaseSync(copy)
      try {
        // Where this process ends, the copy is thrown away; and it must not need files beside it.
        configure(connection, 'PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF')
        return use(connection)
      } finally {
        connection.close()
        syncPath(copy)
      }
    },
    replaceWith(copy, target) {
      quarantine(path, target)
      try {
        renameSync(copy, path)
      } catch (error) {
        for (const companion of companions) {
          const kept = join(target, basename(path) + companion)
          if (existsSync(kept)) renameSync(kept, path + companion)
        }
        throw error
      }
      syncPath(folder)
    },
    restoreFrom(source) {
      const temporary = `${path}.restored`
      copyFileSync(source, temporary)
      syncPath(temporary)
      renameSync(temporary, path)
      syncPath(folder)
    },
  }
}

function quarantine(path: string, target: string): void {
  mkdirSync(target, { recursive: true, mode: 0o700 })
  for (const companion of companions) {
    if (existsSync(path + companion)) renameSync(path + companion, join(target, basename(path) + companion))
  }
  syncPath(target)
  syncPath(dirname(path))
}

/** A read-only connection to a database file, which must exist. */
function connectReader(path: string): Database {
  const connection = new DatabaseSync(path, { readOnly: true, timeout: 5_000 })
  return configure(connection, 'PRAGMA query_only = 1')
}

/**
 * A connection for whoever only looks. SQLite reads through files beside the database (`-shm`, an empty `-wal`) and makes
 * them, which it cannot on a full or a read-only disk. Where nothing is in a WAL, the database was closed as it should be,
 * and its file alone is all there is.
 */
export function openReader(path: string): Database {
  const connection = connectReader(path)
  try {
    connection.prepare('PRAGMA schema_version').get()
    return connection
  } catch (error) {
    connection.close()
    const walBytes = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
    if (!isUnwritable(error) || walBytes > 0) throw error
    return openImmutable(path)
  }
}

function openImmutable(path: string): Database {
  const url = pathToFileURL(path)
  url.searchParams.set('immutable', '1')
  return new DatabaseSync(url, { readOnly: true })
}

/** SQLite could not make or write a file. */
function isUnwritable(error: unknown): boolean {
  return isSqliteError(error, 'readOnly', 'ioError', 'full', 'cannotOpen')
}

function checkpoint(connection: Database): boolean {
  const row = connection.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number }
  return row.busy === 0
}

function syncPath(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
