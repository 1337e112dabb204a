/**
 * Locks between processes, each named by the absolute path of a file of its own, whose folder exists. The system takes
 * back what a process held, however that ends.
 */
export interface Locks {
  /** Undefined where another one has it. */
  tryLock(path: string): Lock | undefined
  /**
   * The same, waiting for it for up to `waitMs` with the thread at rest: for what is never held for longer than a write
   * takes. ERR_STORE_BUSY where it is not to be had.
   */
  lock(path: string, waitMs: number): Lock
}

export interface Lock {
  release(): void
}
