import { formatDuration } from '../duration.ts'
import type { HealthSettings } from '../settings/settings.ts'
import { rising, type Finding } from './finding.ts'
import type { Figures } from './sample.ts'

/** Of a hub, about what it serves. */
export function serverChecks(
  { server, turnedAwayMs }: Figures,
  settings: HealthSettings,
): (Finding | undefined)[] {
  if (server === undefined) return []
  const { silentMs, trouble } = server.database
  return [
    rising('database', silentMs, [settings.databaseDegradedMs, settings.databaseUnhealthyMs], {
      shows: (value) =>
        trouble === undefined && value < settings.databaseDegradedMs
          ? 'the database is written to'
          : `nothing can be written to the database for ${formatDuration(value)}, so nothing is taken in`,
      advice: trouble ?? 'the disk is slow, or another process holds the database',
    }),
    rising(
      'commit_time',
      server.commitMaxMs,
      [settings.commitTimeDegradedMs, settings.commitTimeUnhealthyMs],
      {
        shows: (value) => `${formatDuration(value)} until what was asked for was on disk`,
        advice: 'the disk is slow, or the hub has more to do than it can',
      },
    ),
    rising(
      'connections',
      server.connections / server.connectionsMax,
      [settings.connectionsDegraded, settings.connectionsUnhealthy],
      {
        shows: () => `${server.connections} of ${server.connectionsMax} connections are in use`,
        advice: 'beyond, nobody else is let in: raise the limit of open files, or run another hub',
      },
    ),
    rising('admission', turnedAwayMs, [settings.admissionDegradedMs, settings.admissionUnhealthyMs], {
      shows: (value) =>
        value === 0
          ? 'whoever comes is let in'
          : `for ${formatDuration(value)} more have come than are let in at a time`,
      advice:
        'they wait and come again; raise --resume-rate and --new-rate of perdura hub run where the machine can take more',
    }),
    rising('waiting', server.waiting, [settings.waitingDegraded, settings.waitingUnhealthy], {
      shows: (value) => `${value} messages wait for their recipients`,
      advice: 'perdura hub status shows for whom',
    }),
    rising(
      'waiting_age',
      server.waitingAgeMs,
      [settings.waitingAgeDegradedMs, settings.waitingAgeUnhealthyMs],
      {
        shows: (value) => `the oldest message has waited for ${formatDuration(value)}`,
        advice:
          'its recipient does not come for it, and it expires after 30 days; perdura hub status shows whose it is',
      },
    ),
  ]
}
