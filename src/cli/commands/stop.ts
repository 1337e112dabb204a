import type { Call } from '../call.ts'
import { requireAgent } from '../look.ts'
import { stopAgent } from '../stop-agent.ts'

const defaultTimeoutMs = 30_000

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const timeoutMs = call.durationMs('timeout', defaultTimeoutMs)
  const wasRunning = await stopAgent(call, requireAgent(call, agent), { timeoutMs })
  call.output.note(wasRunning ? `${agent} is stopped` : `${agent} is not running`)
  call.output.document({ agent, stopped: true, was_running: wasRunning })
}
