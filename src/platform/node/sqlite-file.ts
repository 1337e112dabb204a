import { closeSync, existsSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { PerduraError } from '../../errors.ts'
import { isSqliteError } from '../sqlite-error.ts'

/** SQLite would create it readable for everybody; its WAL and SHM take over the mode of the file. */
function createPrivate(path: string): void {
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600))
}

/** The one connection that writes a database: WAL, with each commit on the medium (FULL) or not yet (NORMAL). */
export function openDatabaseFile(path: string, synchronous: 'NORMAL' | 'FULL'): DatabaseSync {
  createPrivate(path)
  const connection = new DatabaseSync(path, {
    timeout: 5_000,
    enableForeignKeyConstraints: false,
    enableDoubleQuotedStringLiterals: false,
  })
  configure(
    connection,
    `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA trusted_schema = 0`,
  )
  // Without these, fsync on macOS leaves the data in the drive's cache; elsewhere they do nothing.
  return configure(connection, 'PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1')
}

/** What is no database shows itself at the first statement; its file must not stay open then. */
export function configure(connection: DatabaseSync, pragmas: string): DatabaseSync {
  try {
    connection.exec(pragmas)
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

/**
 * An exclusive transaction on a database of its own, held for the life of the process: Node has no `flock`, and the
 * kernel drops this lock with the process, however it ends. Undefined where another one has it for longer than `waitMs`.
 */
export function tryLockFile(path: string, waitMs: number): { release(): void } | undefined {
  createPrivate(path)
  const connection = new DatabaseSync(path, { timeout: waitMs })
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
    return undefined
  }
  return { release: () => connection.close() }
}

/** The same at once; ERR_HOME_IN_USE says `what` another process has open. */
export function lockFile(path: string, what: string): { release(): void } {
  const lock = tryLockFile(path, 0)
  if (lock !== undefined) return lock
  throw new PerduraError(
    'ERR_HOME_IN_USE',
    `another process has ${what} in ${dirname(path)} open: stop it first, or use another --home`,
  )
}
