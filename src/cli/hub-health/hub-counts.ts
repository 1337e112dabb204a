import { Histogram } from '../../health/metrics/histogram.ts'
import type { HubWatch } from '../../hub/watch.ts'

/** What a hub has done since its start, as it tells it. */
export class HubCounts implements HubWatch {
  done = 0
  failed = 0
  admitted = 0
  /** Told to come again for want of room, and for coming too often. */
  readonly turnedAway = { crowded: 0, often: 0 }
  /** From being asked for something to its being on disk, in seconds. */
  readonly commit = new Histogram([0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5])
  #commitMaxMs: number | undefined

  wrote(durationMs: number): void {
    this.commit.add(durationMs / 1_000)
    this.#commitMaxMs = Math.max(this.#commitMaxMs ?? 0, durationMs)
  }

  operated(failed: boolean): void {
    if (failed) this.failed += 1
    else this.done += 1
  }

  answered(answer: Parameters<HubWatch['answered']>[0]): void {
    if (answer.kind === 'admitted') this.admitted += 1
    else this.turnedAway[answer.why] += 1
  }

  /** The longest since it was asked the last time; undefined where nothing was written. */
  takeCommitMaxMs(): number | undefined {
    const longest = this.#commitMaxMs
    this.#commitMaxMs = undefined
    return longest
  }
}
