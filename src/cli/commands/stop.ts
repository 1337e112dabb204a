import { setTimeout as delay } from 'node:timers/promises'
import { PerduraError } from '../../errors.ts'
import { isAlive, readProcessRecord, type ProcessRecord } from '../../runtime/process-record.ts'
import type { AgentPaths } from '../../runtime/home.ts'
import type { Call } from '../call.ts'
import { askAgent } from '../control-client.ts'
import { requireAgent } from '../look.ts'

const defaultTimeoutMs = 30_000
const pollMs = 25

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const timeoutMs = call.durationMs('timeout', defaultTimeoutMs)
  const paths = requireAgent(call, agent)
  const deadlineMs = performance.now() + timeoutMs
  const found = living(call, paths)
  if (found.length === 0) {
    call.output.note(`${agent} is not running`)
    call.output.document({ agent, stopped: true, was_running: false })
    return
  }
  await askToStop(call, paths, found)
  // Looked up anew each time: an `up` that keeps other agents too says by removing its record that it lets go of this one.
  for (let rest = found; rest.length > 0; rest = stillThere(call, paths, found)) {
    if (performance.now() > deadlineMs) {
      const pids = rest.map((record) => record.pid)
      throw new PerduraError(
        'ERR_TIMEOUT',
        `${agent} is still stopping (process ${pids.join(', ')}): wait longer with --timeout`,
      )
    }
    await delay(pollMs)
  }
  call.output.note(`${agent} is stopped`)
  call.output.document({ agent, stopped: true, was_running: true })
}

/** The agent's process and the one that would start it again. */
function living(call: Call, paths: AgentPaths): ProcessRecord[] {
  return [paths.supervisorRecord, paths.processRecord]
    .map((path) => readProcessRecord(call.disk, path))
    .filter((record) => isAlive(call.processes, record))
}

function stillThere(call: Call, paths: AgentPaths, found: readonly ProcessRecord[]): ProcessRecord[] {
  const now = living(call, paths)
  return found.filter((record) =>
    now.some(({ pid, instance }) => pid === record.pid && instance === record.instance),
  )
}

/** Over the control socket, by which the agent tells its supervisor too; by a signal where it does not answer. */
async function askToStop(call: Call, paths: AgentPaths, found: readonly ProcessRecord[]): Promise<void> {
  try {
    await askAgent(call, paths, { method: 'POST', path: '/v1/stop', body: {} }, 2_000)
  } catch (error) {
    if (!(error instanceof PerduraError)) throw error
    // The supervisor comes first: it takes its child along, and kills it where it does not end.
    const [first] = found
    if (first !== undefined && isAlive(call.processes, first)) process.kill(first.pid, 'SIGTERM')
  }
}
