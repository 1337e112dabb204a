import { toError } from '../errors.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { HealthSettings } from '../settings/settings.ts'
import { runChecks, type Subject } from './checks.ts'
import type { CheckName, Finding } from './finding.ts'
import type { HealthReason, HealthState } from './report.ts'
import type { Figures, HealthSample } from './sample.ts'
import { isWorse, Steady, worst } from './steady.ts'
import { Windows } from './windows.ts'

export interface HealthMonitorOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'setTimer'>
  readonly log: Log
  readonly subject: Subject
  /** Asked for with every sample, since they may be read again. */
  readonly settings: () => HealthSettings
  readonly sample: (atMs: number, settings: HealthSettings) => HealthSample
  readonly onChange?: (change: HealthChange) => void
}

/** The overall state has changed. */
export interface HealthChange {
  readonly from: HealthState
  readonly to: HealthState
  /** Of the checks that are not healthy now; where all are, of those that were not before. */
  readonly reasons: readonly HealthReason[]
}

/** How it stands, as of the last sample. */
export interface HealthView {
  readonly state: HealthState
  readonly reasons: readonly HealthReason[]
  readonly findings: readonly Finding[]
  readonly figures: Figures | undefined
}

/** Looks at a process every few seconds, and says so when what it finds has changed. */
export class HealthMonitor {
  readonly #options: HealthMonitorOptions
  readonly #windows = new Windows()
  readonly #steady = new Steady()
  #timer: Timer | undefined
  #closed = false
  /** The last sample could not be taken. */
  #failing = false
  #view: HealthView = { state: 'healthy', reasons: [], findings: [], figures: undefined }

  constructor(options: HealthMonitorOptions) {
    this.#options = options
  }

  get view(): HealthView {
    return this.#view
  }

  start(): void {
    this.look()
  }

  stop(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  /** Takes a sample now, and the next one when it is due. */
  look(): void {
    if (this.#closed) return
    const { clock, subject, settings, sample } = this.#options
    const limits = settings()
    this.#timer?.cancel()
    this.#timer = clock.setTimer(limits.sampleMs, () => this.look())
    let taken: HealthSample
    try {
      taken = sample(clock.monotonicMs(), limits)
    } catch (thrown) {
      // Whoever looks after others must not fall with them: what was found last holds.
      if (!this.#failing) this.#options.log.warn('health:sample:failed', { error: toError(thrown) })
      this.#failing = true
      return
    }
    this.#failing = false
    const figures = this.#windows.add(taken, limits)
    const findings = this.#steady.add(runChecks(figures, limits, subject))
    const reasons = findings
      .filter(({ state }) => state !== 'healthy')
      .toSorted((a, b) => (isWorse(a.state, b.state) ? -1 : isWorse(b.state, a.state) ? 1 : 0))
      .map(({ check, state, text }) => ({ check, state, text }))
    const before = this.#view
    this.#view = { state: worst(reasons.map(({ state }) => state)), reasons, findings, figures }
    this.#tell(before)
  }

  #tell(before: HealthView): void {
    const { log, onChange } = this.#options
    const { state, reasons, findings } = this.#view
    const stateBefore = new Map<CheckName, HealthState>(
      before.findings.map(({ check, state }) => [check, state]),
    )
    for (const { check, state, value, threshold, text } of findings) {
      const from = stateBefore.get(check) ?? 'healthy'
      if (from !== state) log.info('health:check:changed', { check, from, to: state, value, threshold, text })
    }
    if (state === before.state) return
    const change = { from: before.state, to: state, reasons: reasons.length > 0 ? reasons : before.reasons }
    const fields = { from: change.from, to: state, cause: change.reasons.map(({ text }) => text) }
    if (state === 'unhealthy') log.error('health:state:changed', fields)
    else if (state === 'degraded') log.warn('health:state:changed', fields)
    else log.info('health:state:changed', fields)
    onChange?.(change)
  }
}
