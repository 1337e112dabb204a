import { PerduraError } from '../errors.ts'
import { isSqliteError } from '../platform/sqlite-error.ts'

/** Whether SQLite, or what was found in the database, says that the file is damaged. */
export function isCorruption(error: unknown): boolean {
  if (error instanceof PerduraError) return error.code === 'ERR_STORE_CORRUPT'
  return isSqliteError(error, 'corrupt', 'notADatabase')
}
