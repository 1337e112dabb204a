import type { Call } from '../call.ts'
import { chooseAgents, eachAgent } from '../chosen-agents.ts'
import { agentChild } from '../child-name.ts'
import { requireAgent } from '../look.ts'
import { stopAgent } from '../stop-agent.ts'
import { stopWaitMs } from '../stop-times.ts'

export function run(call: Call): Promise<number> {
  return eachAgent(call, chooseAgents(call), async (agent) => {
    const paths = requireAgent(call, agent)
    const timeoutMs = call.durationMs('timeout', stopWaitMs(call, agentChild(agent)))
    const wasRunning = await stopAgent(call, paths, { timeoutMs })
    call.output.note(wasRunning ? `${agent} is stopped` : `${agent} is not running`)
    return { document: { agent, stopped: true, was_running: wasRunning } }
  })
}
