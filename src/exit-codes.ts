/**
 * What the end of a process says to whoever started it. docs/reference/cli.md has the same table; a supervisor acts by two
 * of them: it starts nothing again that ended with `doNotRestart`, and counts everything else that it did not ask for.
 */
export const exitCodes = {
  fine: 0,
  failed: 1,
  /** The command line is not understood. */
  usage: 2,
  notRunning: 3,
  noSuchAgent: 4,
  /** EX_SOFTWARE of sysexits.h: a bug, or a commit that failed half-way. Started again, it recovers. */
  crashed: 70,
  /** EX_CONFIG of sysexits.h: starting it again would change nothing, a person has to do something first. */
  doNotRestart: 78,
} as const
