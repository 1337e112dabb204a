import type { Call } from '../call.ts'
import { chooseAgents, eachAgent } from '../chosen-agents.ts'
import { agentChild } from '../child-name.ts'
import { notRunning } from '../control-client.ts'
import { showChild, tellChild } from '../daemon-child.ts'
import { isAlive } from '../../platform/process-table.ts'
import { readProcessRecord } from '../../runtime/process-record.ts'
import { requireAgent, viewProcess } from '../look.ts'

export function run(call: Call): Promise<number> {
  return eachAgent(call, chooseAgents(call), async (name) => {
    const paths = requireAgent(call, name)
    const { record, state } = viewProcess(call, paths)
    if (record === undefined || state !== 'running') throw notRunning(call, paths)
    const kept = await showChild(call, agentChild(name))
    const keeper = readProcessRecord(call.disk, paths.supervisorRecord)
    if (kept?.pid === record.pid) await tellChild(call, agentChild(name), 'reload')
    // An `up` has settings of its own, and passes it on.
    else if (keeper?.pid === record.supervisorPid && isAlive(call.processes, keeper))
      process.kill(keeper.pid, 'SIGHUP')
    else process.kill(record.pid, 'SIGHUP')
    call.output.note(`${name} reads its settings again`)
    return { document: { agent: name, reloading: true, pid: record.pid } }
  })
}
