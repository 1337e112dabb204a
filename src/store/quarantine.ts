import { join } from 'node:path'
import type { Clock } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'

/** A folder of its own in the agent's `quarantine/`, which is not there yet, for what is set aside for this reason. */
export function quarantineFolder(
  { disk, clock }: { readonly disk: Disk; readonly clock: Pick<Clock, 'now'> },
  folder: string,
  reason: string,
): string {
  const time = new Date(clock.now()).toISOString().replaceAll(/[:.]/g, '-')
  const first = join(folder, 'quarantine', `${time} ${reason}`.replaceAll(' ', '-'))
  // Evidence is never put over evidence, whatever the clock says.
  let free = first
  for (let number = 2; disk.exists(free); number++) free = `${first}-${number}`
  return free
}
