import { basename, dirname } from 'node:path'
import { searchProcesses, seesFolder } from '../platform/node/process-search.ts'
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
  const own = found.filter(
    ({ pid, values: [socket = ''] }) =>
      basename(socket) === basename(linkSocket) && seesFolder(pid, dirname(socket), dirname(linkSocket)),
  )
  return Map.groupBy(own, ({ values: [, child = ''] }) => child)
}
