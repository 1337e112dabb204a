import { setAwakeTimer } from '../platform/awake-timer.ts'
import { isFailure, reasonOf } from './exits.ts'
import { RestartIntensity } from './intensity.ts'
import { lookBeforeKill } from './last-look.ts'
import { LivenessWatch } from './liveness.ts'
import { goesOn, nextStartDelayMs } from './next-start.ts'
import { readRecord, writeRecord } from './record.ts'
import { SafeMode } from './safe-mode.ts'

/** What a supervisor decides with. Whoever shows that a mistake in one of them is noticed gives it another one. */
export interface SupervisorParts {
  readonly createWatch: (...given: ConstructorParameters<typeof LivenessWatch>) => LivenessWatch
  readonly setAwakeTimer: typeof setAwakeTimer
  readonly lookBeforeKill: typeof lookBeforeKill
  readonly createIntensity: (...given: ConstructorParameters<typeof RestartIntensity>) => RestartIntensity
  readonly createSafeMode: (...given: ConstructorParameters<typeof SafeMode>) => SafeMode
  readonly isFailure: typeof isFailure
  readonly reasonOf: typeof reasonOf
  readonly goesOn: typeof goesOn
  readonly nextStartDelayMs: typeof nextStartDelayMs
  readonly readRecord: typeof readRecord
  readonly writeRecord: typeof writeRecord
}

export const supervisorParts: SupervisorParts = {
  createWatch: (...given) => new LivenessWatch(...given),
  setAwakeTimer,
  lookBeforeKill,
  createIntensity: (...given) => new RestartIntensity(...given),
  createSafeMode: (...given) => new SafeMode(...given),
  isFailure,
  reasonOf,
  goesOn,
  nextStartDelayMs,
  readRecord,
  writeRecord,
}
