import type { Alarm, Standing } from './history/entries.ts'

/** What is known of an agent when it is asked whether a person has to be told. */
export interface AlarmFacts {
  readonly standing: Standing
  /** For so long it has been down without a break, ms; 0 while it is not. */
  readonly downMs: number
  readonly safeMode: boolean
  /** It is not started again by itself. */
  readonly failed: boolean
}

/** A restart takes less than a second. What is down for so long does not come back by itself. */
const downMaxMs = 30_000

/**
 * What is wrong, if anything; undefined where all is well or somebody has stopped it. While it is down for a short time what
 * was wrong before holds: a restart mends nothing and breaks nothing.
 */
export function alarmOf(facts: AlarmFacts, before: Alarm | undefined): Alarm | undefined {
  const { standing, downMs, safeMode, failed } = facts
  if (standing.state === 'stopped') return undefined
  if (safeMode) return 'safe_mode'
  if (failed || standing.health === 'unhealthy' || downMs >= downMaxMs) return 'unhealthy'
  // One that has not said yet how it is: as before.
  return standing.state === 'down' || standing.health === null ? before : undefined
}

/** What a person is told. */
export type NoticeEvent = 'unhealthy' | 'recovered' | 'safe_mode_entered' | 'safe_mode_left'

/** What has happened when one alarm follows another; undefined where nothing has. */
export function eventOf(before: Alarm | undefined, now: Alarm | undefined): NoticeEvent | undefined {
  if (before === now) return undefined
  if (now === 'safe_mode') return 'safe_mode_entered'
  if (now === 'unhealthy') return 'unhealthy'
  return before === 'safe_mode' ? 'safe_mode_left' : 'recovered'
}
