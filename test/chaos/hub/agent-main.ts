/**
 * The process of one agent, `agent-main.ts <name> <home> <hub> [<limits of its session as JSON>]`: works, and takes what a
 * person hands in by message.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import module from 'node:module'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { defineAgent, openAgent } from '../../../src/index.ts'
import { createNodePlatform } from '../../../src/platform/node/platform.ts'
import type { FromAgent, ToAgent } from './messages.ts'
import type { Task } from './plan.ts'

/** Labels in the order in which they took effect, in blocks, so that a long past does not slow down what comes. */
interface State {
  handled: number
  [block: `block${number}`]: string[]
}

const perBlock = 100

const schema: StandardSchemaV1<unknown, State> = {
  '~standard': { version: 1, vendor: 'chaos', validate: (value) => ({ value: value as State }) },
}

const [name = '', home = '', hub = '', limits = '{}'] = process.argv.slice(2)

const worker = defineAgent({
  name,
  state: { version: 1, initial: { handled: 0 }, schema },
  // Dozens of kills may hit the same turn, and they are not its fault.
  limits: {
    turnsMax: 4,
    hopsMax: 20,
    crashesMax: 100,
    failuresMax: 100,
    retryDelayMs: 10,
    retryDelayMaxMs: 100,
  },

  async onMessage(message, ctx) {
    const { label, pauseMs, sends } = message.payload as unknown as Task
    if (pauseMs > 0) await ctx.step('work', () => sleep(pauseMs))
    for (const { to, task } of sends) {
      if (to === message.from) await ctx.reply(task as never)
      else await ctx.send(to, task as never, { conversation: message.conversation })
    }
    ctx.update((state) => {
      const block = `block${Math.floor(state.handled / perBlock)}` as const
      state[block] = [...(state[block] ?? []), label]
      state.handled += 1
    })
  },
})

// Whoever started it is gone.
process.on('disconnect', () => process.exit(0))
const platform = createNodePlatform()
let jumpedMs = 0
const clock = { ...platform.clock, now: () => platform.clock.now() + jumpedMs }
const agent = await openAgent(worker, {
  home,
  hub,
  platform: { ...platform, clock },
  sessionLimits: JSON.parse(limits),
})
agent.on('session:state:changed', ({ to }) => tell({ type: 'session', state: to }))
agent.on('session:ended', ({ code, error }) => tell({ type: 'complaint', text: `${code}: ${error}` }))
agent.on('turn:dead', ({ turn, reason }) =>
  tell({ type: 'complaint', text: `turn ${turn} is dead: ${reason}` }),
)
process.on('message', (message: ToAgent) => {
  if (message.type === 'jump') {
    jumpedMs += message.ms
    return
  }
  if (message.type === 'reconnect') return agent.reconnect('a person asks')
  const { id, thread, task } = message.input
  agent.ingest({ id, payload: task as never, conversation: thread }).then(
    () => tell({ type: 'answer', id, accepted: true }),
    () => tell({ type: 'answer', id, accepted: false }),
  )
})
process.once('SIGTERM', () => void agent.close().then(() => process.exit(0)))
tell({ type: 'ready' })
module.flushCompileCache()

function tell(message: FromAgent): void {
  process.send?.(message)
}
