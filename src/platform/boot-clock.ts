/** How long the machine has been up: what processes that follow each other have in common, whoever sets the clock. */
export interface BootClock {
  /** Monotonic ms of the machine, the same in all its processes. It may stand still while the machine sleeps. */
  uptimeMs(): number
  /** Changes with each start of the machine; undefined where the system does not tell. */
  readonly bootId: string | undefined
}
