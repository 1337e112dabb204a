/** What a process takes of the machine. */
export interface ProcessUsage {
  /** Resident memory. */
  readonly rssBytes: number
  /** Processor time since its start, ms; in steps of about ten. */
  readonly cpuMs: number
  /** Somebody has stopped it (SIGSTOP, Ctrl-Z): it does nothing until it is told to go on. */
  readonly suspended: boolean
}

/** What processes of this machine take, as far as one may look at those of others. */
export interface UsageTable {
  /** Those of the processes that there are. All at once, since asking may cost a process of its own. */
  measure(pids: readonly number[]): ReadonlyMap<number, ProcessUsage>
}
