import type { Call } from '../call.ts'
import { chooseAgents, eachAgent } from '../chosen-agents.ts'
import { agentChild } from '../child-name.ts'
import { askAgent, notRunning } from '../control-client.ts'
import { showChild, tellChild } from '../daemon-child.ts'
import { requireAgent, viewProcess } from '../look.ts'

export function run(call: Call): Promise<number> {
  return eachAgent(call, chooseAgents(call), async (name) => {
    const paths = requireAgent(call, name)
    const { record, state } = viewProcess(call, paths)
    if (record === undefined || state !== 'running') throw notRunning(call, paths)
    const kept = await showChild(call, agentChild(name))
    if (kept?.pid === record.pid) await tellChild(call, agentChild(name), 'reload')
    // No SIGHUP: where its terminal has gone, that means to stop. It passes it on to the `up` that keeps it running.
    else await askAgent(call, paths, { method: 'POST', path: '/v1/reload' })
    call.output.note(`${name} reads its settings again`)
    return { document: { agent: name, reloading: true, pid: record.pid } }
  })
}
