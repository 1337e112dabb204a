import type { AgentFaults, AgentSimulation, Incarnation } from '../../../src/testing/index.ts'
import type { World } from './world.ts'

/** For what has no deadline of its own: some commits, and the code in between. */
const slackMs = 300

/** Judges the clean stops: none takes longer than it may, and what is to be sent is sent, where nothing stood in the way. */
export function checkStops({ incarnations }: AgentSimulation, world: World, faults: AgentFaults): void {
  const { disk, fullDisks, databaseFullRate, lossRate } = faults
  if (fullDisks > 0 || databaseFullRate > 0 || Object.keys(disk).length > 0) return
  for (const incarnation of incarnations) {
    checkTime(world, incarnation)
    const { number, stop, safeMode } = incarnation
    if (stop?.summary === undefined || stop.hurriedMs !== undefined || stop.deadlineMs < 10_000) continue
    const { unsentMessages } = stop.summary
    // What was accepted or tried again just before safe mode ended says nothing: nobody knows how long it had.
    if (lossRate === 0 && unsentMessages > 0 && !safeMode)
      world.violate(
        'stop-told',
        `stop ${number} left ${unsentMessages} messages, and had all the time for them`,
      )
  }
}

function checkTime(world: World, { number, stop }: Incarnation): void {
  if (stop?.closedMs === undefined) return
  const { askedMs, deadlineMs, hurriedMs, closedMs } = stop
  const graceMs = Math.min(3_000, Math.max(500, deadlineMs * 0.27))
  const usual = askedMs + deadlineMs + graceMs
  // Whoever loses patience once turns are interrupted waits for their effects as well.
  const hurried =
    hurriedMs === undefined || hurriedMs > askedMs + deadlineMs * 0.9 ? Infinity : hurriedMs + 500
  const until = Math.min(usual, hurried) + slackMs
  if (closedMs > until)
    world.violate(
      'stops-in-time',
      `stop ${number} took ${closedMs - askedMs} ms, ${closedMs - until} more than it may`,
    )
}
