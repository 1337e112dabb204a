import { formatDuration } from '../duration.ts'
import type { HealthSettings } from '../settings/settings.ts'
import { falling, finding, megabytes, percent, rising, type Finding } from './finding.ts'
import type { Figures } from './sample.ts'
import { serverChecks } from './server-checks.ts'

/** Whose health it is, as a person names it in a command. */
export interface Subject {
  /** `Ada`, or undefined for the hub. */
  readonly agent: string | undefined
}

/** Looks at everything that applies. Pure: the same figures give the same findings. */
export function runChecks(figures: Figures, settings: HealthSettings, { agent }: Subject): Finding[] {
  const { process, hub, queues } = figures
  const why = agent === undefined ? 'perdura logs hub shows more' : `perdura why ${agent} shows more`
  const list = agent === undefined ? '' : `perdura queue list ${agent} shows them`
  return [
    safeMode(figures, agent),
    ...hubChecks(hub, settings, agent),
    rising('error_rate', figures.errorRate, [settings.errorRateDegraded, settings.errorRateUnhealthy], {
      shows: (value) =>
        `${percent(value)} of ${agent === undefined ? 'what the hub was asked' : 'the attempts at turns'} in the last ${formatDuration(settings.rateWindowMs)} failed`,
      advice:
        agent === undefined
          ? 'perdura logs hub --level warn has the errors'
          : `perdura turn list ${agent} has the turns, perdura logs ${agent} --level warn the errors`,
    }),
    falling(
      'delivery_rate',
      figures.deliveryRate,
      [settings.deliveryRateDegraded, settings.deliveryRateUnhealthy],
      {
        shows: (value) =>
          `${percent(value)} of the messages whose outcome came in the last ${formatDuration(settings.rateWindowMs)} arrived`,
        advice: `perdura queue list ${agent ?? ''} --outbox --dead has the others, with the reasons`,
      },
    ),
    rising('inbox', queues?.inbox, [settings.inboxDegraded, settings.inboxUnhealthy], {
      shows: (value) => `${value} entries of the inbox are not finished`,
      advice: `more comes in than is handled; ${list}`,
    }),
    rising('inbox_age', queues?.inboxAgeMs, [settings.inboxAgeDegradedMs, settings.inboxAgeUnhealthyMs], {
      shows: (value) => `the oldest entry of the inbox has waited for ${formatDuration(value)}`,
      advice: why,
    }),
    rising('outbox', queues?.outbox, [settings.outboxDegraded, settings.outboxUnhealthy], {
      shows: (value) => `${value} messages of the outbox have no verdict`,
      advice: list,
    }),
    rising('outbox_age', queues?.outboxAgeMs, [settings.outboxAgeDegradedMs, settings.outboxAgeUnhealthyMs], {
      shows: (value) => `the oldest message of the outbox has waited for ${formatDuration(value)}`,
      advice: `its recipient may be away; ${why}`,
    }),
    rising(
      'progress',
      figures.work === undefined ? undefined : figures.stalledMs,
      [settings.stalledDegradedMs, settings.stalledUnhealthyMs],
      {
        shows: (value) =>
          value === 0
            ? 'it gets on'
            : `for ${formatDuration(value)} there has been work, and nothing runs or is committed`,
        advice: `if it stays so: perdura restart ${agent ?? ''}`,
      },
    ),
    rising(
      'loop_delay',
      process.loopDelayMaxMs,
      [settings.loopDelayDegradedMs, settings.loopDelayUnhealthyMs],
      {
        shows: (value) => `the event loop stood still for ${formatDuration(value)}`,
        advice:
          agent === undefined
            ? 'the machine has too much to do'
            : `a handler computes without an await, or the machine has too much to do: perdura profile ${agent} --cpu 30s shows where`,
      },
    ),
    rising('memory', process.rssBytes, [settings.memoryDegradedBytes, settings.memoryUnhealthyBytes], {
      shows: (value) => `the process has ${megabytes(value)} of memory`,
      advice:
        agent === undefined
          ? 'raise health.memory_degraded if it is to have so much'
          : `perdura profile ${agent} --heap shows what it holds; raise health.memory_degraded if it is to have so much`,
    }),
    growth(figures.memoryGrowthBytes, settings, agent),
    rising('cpu', figures.cpu, [settings.cpuDegraded, Infinity], {
      shows: (value) => `${percent(value)} of a core over the last minute`,
      advice: agent === undefined ? 'it is at its limit' : `perdura profile ${agent} --cpu 30s shows where`,
    }),
    falling(
      'disk',
      figures.diskFreeBytes,
      [settings.diskFreeDegradedBytes, settings.diskFreeUnhealthyBytes],
      {
        shows: (value) => `${megabytes(value)} are left on the disk`,
        advice: 'free some space: without it nothing is taken in, and nothing is lost',
      },
    ),
    openFiles(figures, settings),
    rising('restarts', figures.restarts, [settings.restartsDegraded, settings.restartsUnhealthy], {
      shows: (value) =>
        `the process has ended unexpectedly ${value} times in the last ${formatDuration(settings.restartsWindowMs)}`,
      advice: why,
    }),
    ...serverChecks(figures, settings),
  ].filter((finding) => finding !== undefined)
}

function hubChecks(
  hub: Figures['hub'],
  settings: HealthSettings,
  agent: string | undefined,
): (Finding | undefined)[] {
  if (hub === undefined) return []
  const { disconnectedDegradedMs, disconnectedUnhealthyMs } = settings
  const offlineMs = hub.online ? 0 : hub.lastedMs
  // The thresholds are for the usual beat; who has set a slower one hears less often.
  const slowerMs = Math.max(0, hub.heartbeatMs - usualHeartbeatMs)
  const why = `perdura why ${agent ?? ''} shows more`
  return [
    rising('connection', offlineMs, [disconnectedDegradedMs, disconnectedUnhealthyMs], {
      shows: (value) =>
        value === 0 ? 'online' : `no connection to the hub for ${formatDuration(value)}: ${hub.reason}`,
      advice: why,
    }),
    rising(
      'heartbeat',
      hub.heardAgoMs,
      [settings.heartbeatDegradedMs + slowerMs, settings.heartbeatUnhealthyMs + slowerMs],
      {
        shows: (value) => `the hub was heard ${formatDuration(value)} ago`,
        advice: 'the connection is given up by itself if it stays so',
      },
    ),
    rising('round_trip', hub.roundTripMs, [settings.roundTripDegradedMs, settings.roundTripUnhealthyMs], {
      shows: (value) => `${formatDuration(value)} to the hub and back`,
      advice: 'the network or the hub is slow',
    }),
    rising('token', hub.tokenOverMs, [settings.tokenDegradedMs, settings.tokenUnhealthyMs], {
      shows: (value) => `the access token has been over for ${formatDuration(value)}, and no other came`,
      advice: `perdura token status ${agent ?? ''} shows how it stands`,
    }),
    rising(
      'clock_skew',
      hub.clockSkewMs === undefined ? undefined : Math.abs(hub.clockSkewMs),
      [settings.clockSkewDegradedMs, settings.clockSkewUnhealthyMs],
      {
        shows: (value) =>
          `the clock of the hub is ${formatDuration(value)} ${(hub.clockSkewMs ?? 0) < 0 ? 'behind' : 'ahead of'} this machine's`,
        advice: 'have both set by NTP',
      },
    ),
  ]
}

const usualHeartbeatMs = 10_000

function safeMode({ safeMode, work }: Figures, agent: string | undefined): Finding | undefined {
  if (work === undefined) return undefined
  return finding('safe_mode', safeMode ? 'unhealthy' : 'healthy', safeMode ? 1 : 0, undefined, {
    shows: () =>
      safeMode ? 'it is in safe mode: what comes in is kept, and no turn is begun' : 'the mind is on',
    advice: `perdura why ${agent ?? ''} shows the crashes behind it; perdura restart ${agent ?? ''} ends it`,
  })
}

/** A trend alone is a warning: how much memory there is, `memory` judges. */
function growth(
  bytes: number | undefined,
  { memoryGrowthDegradedBytes, memoryTrendMs }: HealthSettings,
  agent: string | undefined,
): Finding | undefined {
  return rising('memory_trend', bytes, [memoryGrowthDegradedBytes, Infinity], {
    shows: (value) =>
      `memory changes by ${megabytes(value)} an hour, as the last ${formatDuration(memoryTrendMs)} have it`,
    advice:
      agent === undefined
        ? 'it may be a leak'
        : `it may be a leak: perdura profile ${agent} --heap, twice, shows what becomes more`,
  })
}

function openFiles(
  { process: { openFiles, openFilesMax } }: Figures,
  settings: HealthSettings,
): Finding | undefined {
  if (openFiles === undefined || openFilesMax === undefined) return undefined
  const [degraded, unhealthy] = [settings.openFilesDegraded, settings.openFilesUnhealthy]
  return rising('open_files', openFiles / openFilesMax, [degraded, unhealthy], {
    shows: () => `${openFiles} of ${openFilesMax} files are open`,
    advice: 'something does not close what it opens, or the limit (ulimit -n) is too low',
  })
}
