import type { Disk } from '../platform/disk.ts'
import { readJson } from '../platform/json-file.ts'
import { isAlive, type ProcessIdentity, type ProcessTable } from '../platform/process-table.ts'
import type { DaemonPaths } from './paths.ts'

/** Of the control socket. A command that speaks another one is told to have the daemon replaced. */
export const controlProtocol = 1

/**
 * Who the daemon of a home is: written when it has the lock, removed when it ends. It is a hint for whoever looks; what keeps
 * two daemons from one home is the lock.
 */
export interface DaemonRecord extends ProcessIdentity {
  /** Drawn at the start of the process. */
  readonly instance: string
  /** Of Perdura. */
  readonly version: string
  /** Of the control socket. */
  readonly protocol: number
  readonly startedAt: number
  readonly controlSocket: string
  /** The service that it is, as in `service/mark.ts`; null where somebody started it. */
  readonly service: string | null
}

export function readDaemonRecord(disk: Pick<Disk, 'readFile'>, path: string): DaemonRecord | undefined {
  const value = readJson(disk, path)
  if (value === undefined) return undefined
  const { pid, identity, instance, version, protocol, startedAt, controlSocket, service } = value
  if (typeof pid !== 'number' || typeof identity !== 'string') return undefined
  return {
    pid,
    identity,
    instance: typeof instance === 'string' ? instance : '',
    version: typeof version === 'string' ? version : '',
    protocol: typeof protocol === 'number' ? protocol : 0,
    startedAt: typeof startedAt === 'number' ? startedAt : 0,
    controlSocket: typeof controlSocket === 'string' ? controlSocket : '',
    service: typeof service === 'string' ? service : null,
  }
}

/** The daemon that runs: its process lives, and is the one that wrote the record. */
export function runningDaemon(
  disk: Pick<Disk, 'readFile'>,
  processes: ProcessTable,
  paths: DaemonPaths,
): DaemonRecord | undefined {
  const record = readDaemonRecord(disk, paths.record)
  return isAlive(processes, record) ? record : undefined
}
