import type { Call } from '../call.ts'
import { chooseAgents, eachAgent } from '../chosen-agents.ts'
import { requireAgent } from '../look.ts'
import { stopAgent } from '../stop-agent.ts'

const defaultTimeoutMs = 30_000

export function run(call: Call): Promise<number> {
  const timeoutMs = call.durationMs('timeout', defaultTimeoutMs)
  return eachAgent(call, chooseAgents(call), async (agent) => {
    const wasRunning = await stopAgent(call, requireAgent(call, agent), { timeoutMs })
    call.output.note(wasRunning ? `${agent} is stopped` : `${agent} is not running`)
    return { document: { agent, stopped: true, was_running: wasRunning } }
  })
}
