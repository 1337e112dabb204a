import type { ServiceHost } from '../../daemon/service/host.ts'
import { startSeconds } from '../../daemon/service/spec.ts'
import type { Call } from '../call.ts'
import { endOrphans } from '../orphans.ts'
import { requireService, stopPatience, type Service } from '../service-choice.ts'
import { untilStarted } from '../service-start.ts'

const startTimeoutMs = startSeconds * 1_000

export async function start(call: Call, host?: ServiceHost): Promise<undefined> {
  const service = await requireReachable(call, host)
  const { running } = await service.manager.state()
  const timeoutMs = call.durationMs('timeout', startTimeoutMs)
  if (!running) await service.manager.start(timeoutMs)
  await untilStarted(call, service, timeoutMs)
  await tell(call, service, running ? 'was running' : 'is started')
}

export async function stop(call: Call, host?: ServiceHost): Promise<undefined> {
  const service = await requireReachable(call, host)
  const patience = stopPatience(call, service)
  await service.manager.stop(patience)
  // launchd lets go of a daemon that takes too long, and knows nothing of what that has started.
  if (service.manager.kind === 'launchd') await endOrphans(call.in(service.home), patience.timeoutMs)
  await tell(call, service, 'is stopped')
}

export async function restart(call: Call, host?: ServiceHost): Promise<undefined> {
  const service = await requireReachable(call, host)
  const timeoutMs = startTimeoutMs + stopPatience(call, service).timeoutMs
  await service.manager.restart(timeoutMs)
  await untilStarted(call, service, timeoutMs)
  await tell(call, service, 'is started again')
}

async function requireReachable(call: Call, host: ServiceHost | undefined): Promise<Service> {
  const service = await requireService(call, host)
  await service.manager.check()
  return service
}

async function tell(call: Call, { manager }: Service, what: string): Promise<void> {
  const { state, pid, running } = await manager.state()
  call.output.line(`${manager.unit} ${what}${pid === null ? '' : ` (process ${pid})`}`)
  call.output.document({ unit: manager.unit, active: state, running, pid })
}
