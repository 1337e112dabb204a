/** The processes of this machine, as far as one may look at those of others. */
export interface ProcessTable {
  /**
   * What tells the process that has this number now from every other that had or will have it (when it started, in
   * which boot); undefined when nothing runs under it.
   */
  identify(pid: number): string | undefined
}
