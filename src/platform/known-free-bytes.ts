import type { Disk } from './disk.ts'

/** Undefined where it cannot be found out: an unreachable disk is no full one. */
export function knownFreeBytes(disk: Pick<Disk, 'freeBytes'>, path: string): number | undefined {
  try {
    return disk.freeBytes(path)
  } catch {
    return undefined
  }
}
