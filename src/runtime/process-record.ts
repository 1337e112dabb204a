import type { Disk } from '../platform/disk.ts'
import { readJson } from '../platform/json-file.ts'

/**
 * Who runs an agent: written when it is ready, replaced whole, removed when it stops cleanly. It is a hint for whoever
 * looks; what keeps two processes from one agent is the lock beside the database.
 */
export interface ProcessRecord {
  readonly pid: number
  /** What the process table knew the process by; a number alone may belong to another one by now. */
  readonly identity: string
  /** Drawn at the start of the process. */
  readonly instance: string
  readonly startedAt: number
  readonly controlSocket: string
  /** Port of the ingress on loopback; null while it has none. */
  readonly ingressPort: number | null
  /** The process that restarts it, and that it does not outlive; null when there is none. */
  readonly supervisorPid: number | null
  /** Whether the daemon of the home, whichever process that is, keeps it running. */
  readonly daemon?: boolean
  /** Address of the hub that it is at; null without one. */
  readonly hub: string | null
  /** The mind is off. */
  readonly safeMode?: boolean
}

export function readProcessRecord(disk: Disk, path: string): ProcessRecord | undefined {
  const value = readJson(disk, path)
  if (value === undefined) return undefined
  const {
    pid,
    identity,
    instance,
    startedAt,
    controlSocket,
    ingressPort,
    supervisorPid,
    hub,
    daemon,
    safeMode,
  } = value
  if (typeof pid !== 'number' || typeof identity !== 'string') return undefined
  return {
    pid,
    identity,
    instance: typeof instance === 'string' ? instance : '',
    startedAt: typeof startedAt === 'number' ? startedAt : 0,
    controlSocket: typeof controlSocket === 'string' ? controlSocket : '',
    ingressPort: typeof ingressPort === 'number' ? ingressPort : null,
    supervisorPid: typeof supervisorPid === 'number' ? supervisorPid : null,
    hub: typeof hub === 'string' ? hub : null,
    ...(daemon === true && { daemon }),
    ...(safeMode === true && { safeMode }),
  }
}

export function writeProcessRecord(disk: Disk, path: string, record: ProcessRecord): void {
  disk.replaceFile(path, Buffer.from(`${JSON.stringify(record)}\n`))
}

/** Removes the record unless another process has put its own in place. */
export function removeProcessRecord(disk: Disk, path: string, instance: string): void {
  if (readProcessRecord(disk, path)?.instance === instance) disk.remove(path)
}
