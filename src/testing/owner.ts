/** Whoever timers, handles and requests belong to: once it is dead, nothing of it happens any more. */
export interface Owner {
  readonly alive: boolean
  /** Throws SimulatedDeath when dead. */
  check(): void
}

/** The test itself, which outlives everything. */
export const outside: Owner = { alive: true, check: () => {} }
