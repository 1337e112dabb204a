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
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { PerduraError } from '../../errors.ts'
import type { Database } from '../../platform/database.ts'
import type { DatabaseFiles } from '../database.ts'
import { isSqliteError } from '../../platform/sqlite-error.ts'

const companions = ['', '-wal', '-shm'] as const

/** The files `state.db` and `lock.db` of an agent's folder. */
export function createDatabaseFiles(folder: string): DatabaseFiles {
  const path = join(folder, 'state.db')
  return {
    lock: () => lock(join(folder, 'lock.db')),
    exists: () => companions.some((companion) => existsSync(path + companion)),
    sizeBytes: () => statSync(path, { throwIfNoEntry: false })?.size ?? 0,
    open: () => openWriter(path),
    openReader: () => connectReader(path),
    checkpoint,
    quarantine(target) {
      mkdirSync(target, { recursive: true, mode: 0o700 })
      for (const companion of companions) {
        if (existsSync(path + companion))
          renameSync(path + companion, join(target, basename(path) + companion))
      }
      syncPath(target)
      syncPath(folder)
    },
    async copyTo(target) {
      // A connection of its own: `backup` holds the source's mutex in its thread, and the readers must not wait for it.
      const source = new DatabaseSync(path, { readOnly: true })
      try {
        await backup(source, target, { rate: 1_000_000 })
        chmodSync(target, 0o600)
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
    restoreFrom(source) {
      const temporary = `${path}.restored`
      copyFileSync(source, temporary)
      syncPath(temporary)
      renameSync(temporary, path)
      syncPath(folder)
    },
  }
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

/** What is no database shows itself at the first statement; its file must not stay open then. */
function configure(connection: DatabaseSync, pragmas: string): DatabaseSync {
  try {
    connection.exec(pragmas)
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

/** SQLite would create it readable for everybody; its WAL and SHM take over the mode of the file. */
function createPrivate(path: string): void {
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600))
}

function openWriter(path: string): Database {
  createPrivate(path)
  const connection = new DatabaseSync(path, {
    timeout: 5_000,
    enableForeignKeyConstraints: false,
    enableDoubleQuotedStringLiterals: false,
  })
  configure(connection, 'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = 0')
  // Without these, fsync on macOS leaves the data in the drive's cache; elsewhere they do nothing.
  return configure(connection, 'PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1')
}

function checkpoint(connection: Database): boolean {
  const row = connection.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number }
  return row.busy === 0
}

/**
 * An exclusive transaction on a database of its own, held for the life of the process: Node has no `flock`, and the
 * kernel drops this lock with the process, however it ends.
 */
function lock(path: string): { release(): void } {
  createPrivate(path)
  const connection = new DatabaseSync(path, { timeout: 0 })
  try {
    connection.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE')
  } catch (error) {
    connection.close()
    if (isSqliteError(error, 'notADatabase')) {
      throw new PerduraError(
        'ERR_STORE_CORRUPT',
        `${path} is not what Perdura made: move it away and start again, it holds a lock and no data`,
        { cause: error },
      )
    }
    if (!isSqliteError(error, 'busy')) throw error
    throw new PerduraError(
      'ERR_HOME_IN_USE',
      `another process has the agent in ${dirname(path)} open: stop it first, or use another --home`,
      { cause: error },
    )
  }
  return { release: () => connection.close() }
}

function syncPath(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
