import { PerduraError } from '../errors.ts'

/** What the operating system's refusal to let us work below the home is called. A full disk passes by itself. */
export function unwritable(path: string, cause: unknown): PerduraError {
  if (cause instanceof PerduraError) return cause
  const reason = (cause as { code?: unknown }).code
  if (reason === 'ENOSPC' || reason === 'EDQUOT') {
    return new PerduraError('ERR_STORE_WRITE', `no room to write ${path} (${reason}): free some disk space`, {
      cause,
      details: { path },
    })
  }
  return new PerduraError(
    'ERR_HOME_UNWRITABLE',
    `cannot use ${path}${typeof reason === 'string' ? ` (${reason})` : ''}: give this user the right to, or choose another folder with --home or PERDURA_HOME`,
    { cause, details: { path } },
  )
}
