/** The agent that `bench -- restart` kills: holds a turn until the process dies, and ends it in the next process. */
import { defineAgent } from '../../src/index.ts'

export interface ResumingPayload {
  /** Records to write, one step each. */
  readonly steps: number
  /** Whether to wait in the first attempt until the process is killed. */
  readonly hold: boolean
}

/** What the process tells the benchmark. */
export type ResumingMessage =
  | { readonly type: 'bench:holding' }
  /** The turn goes on, in a process that began at this time, ms since the epoch. */
  | { readonly type: 'bench:resumed'; readonly bornAt: number }

export default defineAgent({
  name: 'Resuming',

  async onMessage(message, ctx) {
    const { steps, hold } = message.payload as unknown as ResumingPayload
    for (let count = 0; count < steps; count += 1)
      await ctx.step('step', () => ({ count, note: 'x'.repeat(64) }))
    if (!hold) return
    if (ctx.turn.attempt === 1) {
      tell({ type: 'bench:holding' })
      await new Promise(() => undefined)
    }
    tell({ type: 'bench:resumed', bornAt: performance.timeOrigin })
  },
})

function tell(message: ResumingMessage): void {
  process.send?.(message)
}
