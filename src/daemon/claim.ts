import { setTimeout as delay } from 'node:timers/promises'
import { PerduraError } from '../errors.ts'
import type { Disk } from '../platform/disk.ts'
import type { Lock, Locks } from '../platform/locks.ts'
import type { ProcessTable } from '../platform/process-table.ts'
import type { DaemonPaths } from './paths.ts'
import { runningDaemon, type DaemonRecord } from './record.ts'

/** Of several that begin at once each may keep the others from the lock for a moment; and one that ends still has it. */
const claimTimeoutMs = 5_000
const pollMs = 20

export interface ClaimOptions {
  readonly disk: Disk
  readonly locks: Locks
  readonly processes: ProcessTable
  readonly paths: DaemonPaths
}

/**
 * Takes the lock that makes this process the daemon of its home. Throws ERR_DAEMON_RUNNING, which says who is; a record
 * without a living process, or of a process that has another's number by now, does not keep it from being taken.
 */
export async function claimHome(options: ClaimOptions): Promise<Lock> {
  const { locks, processes, disk, paths } = options
  const deadlineMs = performance.now() + claimTimeoutMs
  for (;;) {
    const lock = locks.tryLock(paths.lock)
    const other = runningDaemon(disk, processes, paths)
    // With the lock, one that lives has lost its own: somebody removed the file. It is the daemon all the same.
    if (lock !== undefined && other === undefined) return lock
    lock?.release()
    if (other !== undefined || performance.now() > deadlineMs) throw daemonRunning(other)
    await delay(pollMs * (0.5 + Math.random()))
  }
}

function daemonRunning(other: DaemonRecord | undefined): PerduraError {
  const who = other === undefined ? '' : `, in process ${other.pid} (version ${other.version})`
  return new PerduraError(
    'ERR_DAEMON_RUNNING',
    `the daemon of this home runs already${who}: perdura daemon status shows it, perdura daemon restart replaces it`,
    { details: { pid: other?.pid ?? null } },
  )
}
