import { PerduraError } from '../../errors.ts'
import type { Call } from '../call.ts'
import { chooseAgents, eachAgent } from '../chosen-agents.ts'
import { agentChild } from '../child-name.ts'
import { notRunning } from '../control-client.ts'
import { showChild, tellChild } from '../daemon-child.ts'
import { requireAgent, viewProcess } from '../look.ts'

export function run(call: Call): Promise<number> {
  return eachAgent(call, chooseAgents(call), async (name) => {
    const paths = requireAgent(call, name)
    const { record, state } = viewProcess(call, paths)
    if (record === undefined || state !== 'running') throw notRunning(call, paths)
    const kept = await showChild(call, agentChild(name))
    if (kept?.pid === record.pid) await tellChild(call, agentChild(name), 'reload')
    else if (record.supervisorPid !== null || record.daemon === true) process.kill(record.pid, 'SIGHUP')
    else {
      throw new PerduraError(
        'ERR_USAGE',
        `nothing keeps ${name} running, and a hang-up would end it: stop it, and start it again`,
      )
    }
    call.output.note(`${name} reads its settings again`)
    return { document: { agent: name, reloading: true, pid: record.pid } }
  })
}
