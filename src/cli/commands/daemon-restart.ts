import type { Call } from '../call.ts'
import { endDaemon, ensureDaemon, findDaemon } from '../daemon-client.ts'

const defaultTimeoutMs = 20_000

/** Agents go on meanwhile: the next daemon takes them over. */
export async function run(call: Call): Promise<undefined> {
  const timeoutMs = call.durationMs('timeout', defaultTimeoutMs)
  const before = findDaemon(call)
  if (before !== undefined) await endDaemon(call, before, { keepAgents: true, timeoutMs })
  const { daemon } = await ensureDaemon(call, timeoutMs)
  const { pid, version } = daemon
  const change =
    before === undefined || before.version === version ? '' : ` (version ${before.version} → ${version})`
  call.output.note(`the daemon runs in process ${pid}${change}; its agents went on`)
  call.output.document({ running: true, pid, version, previous_pid: before?.pid ?? null })
}
