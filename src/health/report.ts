/** From best to worst. */
export type HealthState = 'healthy' | 'degraded' | 'unhealthy'

/** Why the state is not healthy. */
export interface HealthReason {
  /** The check that says so: `memory`, `loop_delay` … */
  readonly check: string
  readonly state: HealthState
  /** What is wrong, and what to do. */
  readonly text: string
}

/** How a process finds itself. */
export interface HealthReport {
  readonly state: HealthState
  /** Of the checks that are not healthy, the worst first. */
  readonly reasons: readonly HealthReason[]
  /** Why it takes nothing in or handles nothing; empty where it does both. */
  readonly notReady: readonly string[]
}
