import type { ServiceReport } from '../daemon/service/service-report.ts'
import type { Log } from '../platform/log.ts'

/**
 * The manager that has started this very process and wants to hear of it, such as systemd with `Type=notify`; undefined where there is
 * none, and then nothing is loaded. To be called before children are started: they are not the service.
 */
export async function connectService(
  log: Log,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<ServiceReport | undefined> {
  if ((environment['NOTIFY_SOCKET'] ?? '') === '') return undefined
  const [{ takeServiceNotifier }, { ServiceReport: Report }, { createNodeClock }] = await Promise.all([
    import('../platform/node/service-notifier.ts'),
    import('../daemon/service/service-report.ts'),
    import('../platform/node/clock.ts'),
  ])
  const notifier = takeServiceNotifier(log, environment)
  return notifier === undefined ? undefined : new Report(notifier, createNodeClock())
}
