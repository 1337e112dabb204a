import type { Call } from '../call.ts'
import type { DaemonRecord } from '../../daemon/record.ts'
import { endDaemon, ensureDaemon, findDaemon, untilAnswers } from '../daemon-client.ts'
import { serviceOfMark } from '../service-of-home.ts'

const defaultTimeoutMs = 20_000

/** Agents go on meanwhile: the next daemon takes them over. */
export async function run(call: Call): Promise<undefined> {
  const timeoutMs = call.durationMs('timeout', defaultTimeoutMs)
  const before = findDaemon(call)
  if (before !== undefined) await endDaemon(call, before, { keepAgents: true, timeoutMs })
  const daemon = await nextDaemon(call, before, timeoutMs)
  const { pid, version } = daemon
  const change =
    before === undefined || before.version === version ? '' : ` (version ${before.version} → ${version})`
  call.output.note(`the daemon runs in process ${pid}${change}; its agents went on`)
  call.output.document({ running: true, pid, version, previous_pid: before?.pid ?? null })
}

/** Of a service its manager starts the next one, which it may be told to do at once; of others this command does. */
async function nextDaemon(
  call: Call,
  before: DaemonRecord | undefined,
  timeoutMs: number,
): Promise<DaemonRecord> {
  const service = await serviceOfMark(call, before?.service ?? null)
  if (service === undefined) return (await ensureDaemon(call, timeoutMs)).daemon
  if (service.mayControl) await service.manager.start(timeoutMs)
  return await untilAnswers(call, timeoutMs)
}
