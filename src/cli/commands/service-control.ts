import { startSeconds, stopSeconds } from '../../daemon/service/spec.ts'
import type { Call } from '../call.ts'
import { requireService, type Service } from '../service-choice.ts'

const startTimeoutMs = startSeconds * 1_000
const stopTimeoutMs = (stopSeconds + 10) * 1_000

export async function start(call: Call): Promise<undefined> {
  const service = await requireReachable(call)
  const { running } = await service.manager.state()
  if (!running) await service.manager.start(call.durationMs('timeout', startTimeoutMs))
  await tell(call, service, running ? 'was running' : 'is started')
}

export async function stop(call: Call): Promise<undefined> {
  const service = await requireReachable(call)
  await service.manager.stop(call.durationMs('timeout', stopTimeoutMs))
  await tell(call, service, 'is stopped')
}

export async function restart(call: Call): Promise<undefined> {
  const service = await requireReachable(call)
  await service.manager.restart(call.durationMs('timeout', startTimeoutMs + stopTimeoutMs))
  await tell(call, service, 'is started again')
}

async function requireReachable(call: Call): Promise<Service> {
  const service = await requireService(call)
  await service.manager.check()
  return service
}

async function tell(call: Call, { manager }: Service, what: string): Promise<void> {
  const { state, pid, running } = await manager.state()
  call.output.line(`${manager.unit} ${what}${pid === null ? '' : ` (process ${pid})`}`)
  call.output.document({ unit: manager.unit, active: state, running, pid })
}
