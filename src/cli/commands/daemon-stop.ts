import type { Call } from '../call.ts'
import { endDaemon, findDaemon } from '../daemon-client.ts'

/** Longer than what agents and then the hub may take. */
const defaultTimeoutMs = 60_000

export async function run(call: Call): Promise<undefined> {
  const keepAgents = call.flag('keep-agents')
  const daemon = findDaemon(call)
  if (daemon === undefined) call.output.note('no daemon runs')
  else {
    await endDaemon(call, daemon, { keepAgents, timeoutMs: call.durationMs('timeout', defaultTimeoutMs) })
    call.output.note(`the daemon is stopped${keepAgents ? '; its agents go on' : ', and its agents'}`)
  }
  call.output.document({ stopped: true, was_running: daemon !== undefined, agents_kept: keepAgents })
}
