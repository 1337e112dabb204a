import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineAgent } from '../../src/index.ts'
import { effectOf, reportDraw } from './outside.ts'
import type { Task } from './plan.ts'
import { countIn, initialState, schema, totalOf } from './state.ts'

/** The agent that is killed: does everything that an agent can do, as its tasks say. */
export default defineAgent({
  name: 'Chaos',
  state: { version: 1, schema, initial: initialState },
  // Dozens of kills may hit the same turn, and they are not its fault.
  limits: { crashesMax: 100, failuresMax: 100, retryDelayMs: 10, retryDelayMaxMs: 100 },

  onStart(_start, ctx) {
    ctx.update((state) => {
      state.starts += 1
    })
  },

  async onMessage(message, ctx) {
    const task = message.payload as unknown as Task
    const { n, conversation, ordinal } = task
    const chained = task.chained ? ctx.state.chained : undefined
    const total = task.looksAround ? totalOf(ctx.state) : undefined
    const draw = await ctx.step('draw', async () => {
      const drawn = randomUUID()
      await reportDraw(n, drawn)
      return drawn
    })
    for (const effect of task.effects) {
      await ctx.effect(effect.name, effectOf(task, effect, draw))
      if (task.pauseMs > 0) await sleep(task.pauseMs)
    }
    ctx.update((state) => {
      if (total !== undefined && total !== totalOf(state)) state.inconsistencies += 1
      if (chained !== undefined) state.chained = chained + n
      countIn(state, task)
    })
    if (task.toYou) await ctx.reply({ n, conversation, ordinal })
    if (task.toPeer) await ctx.send('Peer', { n, conversation, ordinal, draw })
    if (task.note) await ctx.memory.remember(`task ${n} was done`)
    if (task.timerMs !== null) await ctx.schedule(task.timerMs, { n, conversation, ordinal, draw })
  },

  async onTimer(timer, ctx) {
    const { draw, ...task } = timer.payload as Task & { draw: string }
    await ctx.effect(
      'timer',
      effectOf(task, { name: 'timer', policy: 'idempotent', fault: 'none', slowMs: 0 }, draw),
    )
    ctx.update((state) => {
      state.timers += 1
    })
  },
})
