import { basename } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { PerduraError } from '../errors.ts'
import type { AgentPaths } from '../runtime/home.ts'
import { isAlive } from '../platform/process-table.ts'
import { readProcessRecord, type ProcessRecord } from '../runtime/process-record.ts'
import type { Call } from './call.ts'
import { askAgent } from './control-client.ts'

const pollMs = 25

/**
 * Stops an agent and what keeps it running; resolves to whether there was anything to stop, once both are gone. With
 * `handover` it lets go of its session at the hub before it ends.
 */
export async function stopAgent(
  call: Call,
  paths: AgentPaths,
  { timeoutMs, handover = false }: { readonly timeoutMs: number; readonly handover?: boolean },
): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs
  const found = living(call, paths)
  if (found.length === 0) return false
  await askToStop(call, paths, found, handover)
  // Looked up anew each time: an `up` that keeps other agents too says by removing its record that it lets go of this one.
  for (let rest = found; rest.length > 0; rest = stillThere(call, paths, found)) {
    if (performance.now() > deadlineMs) {
      const pids = rest.map((record) => record.pid)
      throw new PerduraError(
        'ERR_TIMEOUT',
        `${basename(paths.folder)} is still stopping (process ${pids.join(', ')}): wait longer with --timeout`,
      )
    }
    await delay(pollMs)
  }
  return true
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
async function askToStop(
  call: Call,
  paths: AgentPaths,
  found: readonly ProcessRecord[],
  handover: boolean,
): Promise<void> {
  try {
    await askAgent(call, paths, { method: 'POST', path: '/v1/stop', body: { handover } }, 2_000)
  } catch (error) {
    if (!(error instanceof PerduraError)) throw error
    // The supervisor comes first: it takes its child along, and kills it where it does not end.
    const [first] = found
    if (first !== undefined && isAlive(call.processes, first)) process.kill(first.pid, 'SIGTERM')
  }
}
