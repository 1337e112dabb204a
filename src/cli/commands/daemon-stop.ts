import type { Call } from '../call.ts'
import { PerduraError } from '../../errors.ts'
import { agentOf } from '../child-name.ts'
import { endDaemon, findDaemon } from '../daemon-client.ts'
import { endOrphans } from '../orphans.ts'
import { notYours, serviceOfMark } from '../service-of-home.ts'
import { longestStopMs, wholeStopMs } from '../stop-times.ts'

export async function run(call: Call): Promise<undefined> {
  const keepAgents = call.flag('keep-agents')
  const timeoutMs = call.durationMs('timeout', wholeStopMs(call))
  const daemon = findDaemon(call)
  const isService = daemon !== undefined && daemon.service !== null
  if (isService) await stopService(call, daemon.service, keepAgents, timeoutMs)
  else if (daemon !== undefined) await endDaemon(call, daemon, { keepAgents, timeoutMs })
  // A daemon that was killed, before this or while it stopped them, has left them behind.
  const orphans = keepAgents ? [] : await endOrphans(call, timeoutMs)
  if (isService) {
    call.output.note(
      'the daemon is stopped, and its agents; it is a service, which starts again with the machine',
    )
  } else if (daemon !== undefined)
    call.output.note(`the daemon is stopped${keepAgents ? '; its agents go on' : ', and its agents'}`)
  else if (orphans.length === 0) call.output.note('no daemon runs')
  else {
    const names = orphans.map((child) => agentOf(child) ?? 'the hub')
    call.output.note(`no daemon runs; what one had left behind is stopped: ${names.join(', ')}`)
  }
  call.output.document({ stopped: true, was_running: daemon !== undefined, agents_kept: keepAgents })
}

/** Its manager would start the next one at once, had it not been told that none is wanted. */
async function stopService(call: Call, mark: string, keepAgents: boolean, timeoutMs: number): Promise<void> {
  if (keepAgents) {
    throw new PerduraError(
      'ERR_USAGE',
      'the daemon is a service, and the next one would be started at once: perdura daemon restart replaces it, and its agents go on',
    )
  }
  const service = await serviceOfMark(call, mark)
  if (service === undefined) throw new PerduraError('ERR_USAGE', `no service is called ${mark}`)
  if (!service.mayControl) throw notYours(call, service, 'stop')
  await service.manager.check()
  await service.manager.stop({ timeoutMs, leftOverMs: longestStopMs(call) })
}
