/** The process that this code runs in. */
export interface Process {
  readonly pid: number
  /** Ends the process at once, for a state that must not be continued from; the reason goes to standard error. */
  crash(reason: Error): never
}
