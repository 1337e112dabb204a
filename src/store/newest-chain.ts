import type { Disk } from '../platform/disk.ts'
import { listCuts } from './cut.ts'

/** The highest number of a chain in a journal's folder; 0 when there is none. A cut without its manifest began nothing. */
export function newestChain(disk: Disk, folder: string): number {
  const segments = disk.list(folder).map((name) => Number(/^(\d{6})-\d+\.segment$/.exec(name)?.[1] ?? 0))
  return Math.max(0, ...segments, ...listCuts(disk, folder).map(({ chain }) => chain))
}
