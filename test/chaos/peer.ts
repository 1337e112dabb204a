import { defineAgent } from '../../src/index.ts'
import { effectOf } from './outside.ts'
import type { Task } from './plan.ts'

/** Another agent of the same home, killed as well: tells the receiver of every message that it handles. */
export default defineAgent({
  name: 'Peer',
  limits: { crashesMax: 100, failuresMax: 100, retryDelayMs: 10, retryDelayMaxMs: 100 },

  async onMessage(message, ctx) {
    const { draw, ...task } = message.payload as unknown as Task & { draw: string }
    await ctx.effect(
      'peer',
      effectOf(task, { name: 'peer', policy: 'idempotent', fault: 'none', slowMs: 0 }, draw),
    )
  },
})
