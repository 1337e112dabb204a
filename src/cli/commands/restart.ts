import { PerduraError } from '../../errors.ts'
import type { Call } from '../call.ts'
import { chooseAgents, eachAgent } from '../chosen-agents.ts'
import { agentChild } from '../child-name.ts'
import { showChild, tellChild, untilReady } from '../daemon-child.ts'
import { requireAgent } from '../look.ts'
import { restartWaitMs } from '../stop-times.ts'

export function run(call: Call): Promise<number> {
  return eachAgent(call, chooseAgents(call), async (name) => {
    requireAgent(call, name)
    const child = agentChild(name)
    const timeoutMs = call.durationMs('timeout', restartWaitMs(call, child))
    const before = await showChild(call, child)
    if (before === undefined) {
      throw new PerduraError(
        'ERR_NOT_RUNNING',
        `the daemon does not keep ${name} running; start it with: ${call.hint(`perdura start ${name}`)}`,
      )
    }
    await tellChild(call, child, 'restart')
    const { pid } = await untilReady(call, child, { before, timeoutMs, anew: true })
    call.output.note(`${name} is running, in process ${pid}`)
    return { document: { agent: name, running: true, pid, previous_pid: before.pid } }
  })
}
