import { realpathSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { searchProcesses } from '../platform/node/process-search.ts'
import type { ProcessIdentity, ProcessTable } from '../platform/process-table.ts'
import { linkVariables } from './link-protocol.ts'

export interface StartedChildrenOptions {
  readonly linkSocket: string
  readonly processes: ProcessTable
  /** The file that each of them runs. */
  readonly program: string
}

/**
 * The processes that some daemon of this home has started and that still run, by the child that each is; by the process table
 * alone, whatever is on disk, and whether or not they can speak. Undefined where the process table does not show it.
 */
export function findStartedChildren({
  linkSocket,
  processes,
  program,
}: StartedChildrenOptions): ReadonlyMap<string, readonly ProcessIdentity[]> | undefined {
  const variables = [linkVariables.socket, linkVariables.child]
  const found = searchProcesses({ processes, variables, program: basename(program) })
  if (found === undefined) return undefined
  const own = found.filter(({ values: [socket = ''] }) => isSame(socket, linkSocket))
  return Map.groupBy(own, ({ values: [, child = ''] }) => child)
}

/** One home may be known by several paths. */
function isSame(socket: string, own: string): boolean {
  if (socket === own) return true
  try {
    return basename(socket) === basename(own) && realpathSync(dirname(socket)) === realpathSync(dirname(own))
  } catch {
    return false
  }
}
