import { Histogram } from '../health/metrics/histogram.ts'
import type { Agent } from './agent.ts'

/** What an agent measures of itself, in seconds. */
export class AgentTimes {
  /** From the start of a batch to its being on disk. */
  readonly commit = new Histogram([0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5])
  /** From the attempt's being counted to its being committed. */
  readonly turn = new Histogram([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 1_800])
  /** From a message's going to the hub to the hub's verdict. */
  readonly publish = new Histogram([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30])
  /** From the loss of a connection to being online again. */
  readonly reconnect = new Histogram([0.05, 0.1, 0.25, 0.5, 1, 1.5, 5, 15, 30, 60, 300])
  /** From the opening of the store to being ready. */
  readonly recovery = new Histogram([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30])

  /** From now on; `monotonicMs` is the clock's. */
  watch(agent: Pick<Agent, 'on'>, monotonicMs: () => number): void {
    let lostMs: number | undefined
    agent.on('turn:done', ({ durationMs }) => this.turn.add(durationMs / 1_000))
    agent.on('agent:start:ready', ({ recoveryMs }) => this.recovery.add(recoveryMs / 1_000))
    agent.on('session:state:changed', ({ from, to }) => {
      if (from === 'online') lostMs = monotonicMs()
      if (to !== 'online' || lostMs === undefined) return
      this.reconnect.add((monotonicMs() - lostMs) / 1_000)
      lostMs = undefined
    })
  }
}
