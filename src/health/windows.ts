import type { HealthSettings } from '../settings/settings.ts'
import type { Figures, HealthSample, ServerSample, WorkSample } from './sample.ts'
import { SlidingWindow } from './sliding-window.ts'
import { slopeOf } from './slope.ts'

const cpuWindowMs = 60_000
/** Of the window of the trend that has to be covered before anything is said. */
const coveredMin = 0.9

/** What has to be remembered of earlier samples. Bounded: 61 points of each kind. */
export class Windows {
  readonly #outcomes = new SlidingWindow<Outcomes>()
  readonly #cpu = new SlidingWindow<number>()
  readonly #memory = new SlidingWindow<number>()
  #growthBytes: number | undefined
  #stalledSinceMs: number | undefined
  #turnedAwaySinceMs: number | undefined
  #last: HealthSample | undefined

  add(sample: HealthSample, settings: HealthSettings): Figures {
    const { atMs, process } = sample
    const outcomes = outcomesOf(sample.work ?? sample.server)
    if (outcomes !== undefined) this.#outcomes.add(atMs, outcomes, settings.rateWindowMs)
    this.#cpu.add(atMs, process.cpuMs, cpuWindowMs)
    // 60 points have 1,770 pairs: looked at when there is another point, once a minute.
    if (this.#memory.add(atMs, process.rssBytes, settings.memoryTrendMs)) {
      this.#growthBytes =
        this.#memory.coveredMs >= coveredMin * settings.memoryTrendMs
          ? slopeOf(this.#memory.points) * 3_600_000
          : undefined
    }
    const figures: Figures = {
      ...sample,
      ...rates(outcomes, this.#outcomes.oldest?.value, settings.rateSamplesMin),
      cpu: this.#cpuOf(sample),
      memoryGrowthBytes: this.#growthBytes,
      stalledMs: this.#stalledOf(sample),
      turnedAwayMs: this.#turnedAwayOf(sample),
    }
    this.#last = sample
    return figures
  }

  #cpuOf({ atMs, process }: HealthSample): number | undefined {
    const { oldest } = this.#cpu
    if (oldest === undefined || atMs - oldest.atMs < coveredMin * cpuWindowMs) return undefined
    return (process.cpuMs - oldest.value) / (atMs - oldest.atMs)
  }

  /** From the first of the samples in a row that all found work, nothing that ran, and nothing done since the one before. */
  #stalledOf({ atMs, work }: HealthSample): number {
    const before = this.#last?.work
    const advanced = work?.done !== before?.done || work?.failed !== before?.failed
    const isStuck = work !== undefined && work.ready > 0 && work.running === 0 && !advanced
    if (!isStuck) this.#stalledSinceMs = undefined
    else this.#stalledSinceMs ??= atMs
    return this.#stalledSinceMs === undefined ? 0 : atMs - this.#stalledSinceMs
  }

  #turnedAwayOf({ atMs, server }: HealthSample): number {
    const more = (server?.turnedAway ?? 0) > (this.#last?.server?.turnedAway ?? 0)
    if (more) this.#turnedAwaySinceMs ??= atMs
    else this.#turnedAwaySinceMs = undefined
    return this.#turnedAwaySinceMs === undefined ? 0 : atMs - this.#turnedAwaySinceMs
  }
}

type Outcomes = Pick<WorkSample, 'done' | 'failed' | 'delivered' | 'undelivered'>

/** A hub delivers nothing itself: who is to have it comes for it. */
function outcomesOf(sample: WorkSample | ServerSample | undefined): Outcomes | undefined {
  return sample && { delivered: 0, undelivered: 0, ...sample }
}

function rates(
  now: Outcomes | undefined,
  then: Outcomes | undefined,
  samplesMin: number,
): Pick<Figures, 'errorRate' | 'deliveryRate'> {
  if (now === undefined || then === undefined) return { errorRate: undefined, deliveryRate: undefined }
  const share = (part: number, rest: number): number | undefined =>
    part + rest >= samplesMin && part + rest > 0 ? part / (part + rest) : undefined
  return {
    errorRate: share(now.failed - then.failed, now.done - then.done),
    deliveryRate: share(now.delivered - then.delivered, now.undelivered - then.undelivered),
  }
}
