import { bury } from '../queue/dead-letters.ts'
import type { InboxTable } from '../queue/inbox.ts'
import type { Tx } from '../store/store.ts'
import { gatherEvidence } from './evidence.ts'

/**
 * What was running when the process before ended, dealt with in the first transaction of this one: one that had run
 * alone is blamed for the death, and set aside after `crashesMax` of them; others only come under suspicion, and run
 * alone next time. Nobody is blamed for a death in the middle of a commit (`diedInCommit`): no handler runs there, and
 * a disk that is full or broken would have innocents set aside one by one. Returns what was set aside.
 */
export function recoverInterrupted(
  tx: Tx,
  inbox: InboxTable,
  options: { readonly crashesMax: number; readonly diedInCommit: boolean; readonly now: number },
): { readonly interrupted: number; readonly dead: readonly number[] } {
  const entries = inbox.interrupted(tx)
  const dead: number[] = []
  for (const entry of entries) {
    const blamed = entry.alone && !options.diedInCommit
    const crashes = entry.crashes + (blamed ? 1 : 0)
    if (!blamed || crashes < options.crashesMax) {
      inbox.markSuspect(tx, entry.position, blamed)
      continue
    }
    const error = {
      code: 'ERR_TURN_CRASHED',
      message: `the process died ${crashes} times while only this turn ran`,
    }
    bury(tx, entry.position, 'crashed', gatherEvidence(tx, { ...entry, crashes }, error), options.now)
    dead.push(entry.position)
  }
  return { interrupted: entries.length, dead }
}
