import { defaultBackoff, type BackoffOptions } from './backoff.ts'

/**
 * How one child is kept running. Times are ms. Bounds are those of whoever reads them from a file; here every value is
 * taken as it is.
 */
export interface ChildPolicy {
  /** `always`: also when it ended well. `on-failure`: not after exit code 0. `never`: only when somebody asks. */
  readonly restart: 'always' | 'on-failure' | 'never'
  /** So many unexpected ends within the window, or in a row, and it goes on in safe mode. */
  readonly failuresMax: number
  readonly windowMs: number
  /**
   * Time without a word from a child that beats once a second, after which it counts as hung. Too short, and a long
   * collection of garbage is taken for one; too long, and so long nobody answers.
   */
  readonly hangMs: number
  /** Time from its start to its being ready. Doubles with each start in a row that took longer, up to eight times. */
  readonly startMs: number
  /** Time from SIGTERM to SIGKILL: longer than what the child takes to drain. */
  readonly stopMs: number
  /** Resident memory above which it is restarted; undefined: no limit. */
  readonly memoryMaxBytes: number | undefined
  /** How long safe mode lasts the first time; doubles while it keeps coming back. */
  readonly safeModeFirstMs: number
  readonly safeModeMaxMs: number
  /**
   * Time in `running` after which earlier failures are forgotten. Too short a time and a child that dies regularly is
   * never slowed down; too long and an accident a day counts as a series.
   */
  readonly stableMs: number
  readonly backoff: BackoffOptions
}

export const defaultPolicy: ChildPolicy = {
  restart: 'always',
  failuresMax: 10,
  windowMs: 120_000,
  hangMs: 15_000,
  startMs: 60_000,
  stopMs: 15_000,
  memoryMaxBytes: undefined,
  safeModeFirstMs: 60_000,
  safeModeMaxMs: 3_600_000,
  stableMs: 30_000,
  backoff: defaultBackoff,
}
