/** The processes of this machine, as far as one may look at those of others. */
export interface ProcessTable {
  /**
   * What tells the process that has this number now from every other that had or will have it (when it started, in
   * which boot); undefined when nothing runs under it.
   */
  identify(pid: number): string | undefined
}

/** Who a process is: a number alone may belong to another one by now. */
export interface ProcessIdentity {
  readonly pid: number
  /** What the process table knew it by. */
  readonly identity: string
}

/** Whether the very process that is meant still runs. */
export function isAlive<Record extends ProcessIdentity>(
  table: ProcessTable,
  record: Record | undefined,
): record is Record {
  return record !== undefined && table.identify(record.pid) === record.identity
}
