import {
  choice,
  command,
  count,
  duration,
  flag,
  folder,
  fraction,
  optional,
  size,
  webAddress,
} from './field.ts'

/*
 * Every setting there is, with its default and its bounds. What reads the file, what fills in the defaults and what
 * checks docs/reference/settings.md go by these tables.
 */

/** How a process is kept running. */
export const supervisionFields = {
  restart: choice('restart', ['always', 'on-failure', 'never'], 'always'),
  /** Unexpected ends within the window, after which the agent goes into safe mode. */
  failuresMax: count('failures_max', 10, [1, 1_000]),
  windowMs: duration('window', '2m', ['1s', '24h']),
  /** Silence after which a process counts as hung. Too short, and a machine under load kills what works. */
  hangMs: duration('hang_after', '15s', ['3s', '1h']),
  startMs: duration('start_timeout', '60s', ['1s', '24h']),
  stopMs: duration('stop_timeout', '15s', ['1s', '1h']),
  /** Resident memory over which the process is started anew. */
  memoryMaxBytes: optional(size('memory_max', '1GiB', ['64MiB', '1024GiB'])),
  safeModeFirstMs: duration('safe_mode_first', '1m', ['1s', '24h']),
  safeModeMaxMs: duration('safe_mode_max', '1h', ['1s', '7d']),
}

/** Where each check of an agent's health turns yellow and red. */
export const healthFields = {
  sampleMs: duration('sample_every', '5s', ['1s', '5m']),
  disconnectedDegradedMs: duration('disconnected_degraded', '30s', ['1s', '24h']),
  disconnectedUnhealthyMs: duration('disconnected_unhealthy', '5m', ['1s', '30d']),
  heartbeatDegradedMs: duration('heartbeat_degraded', '25s', ['1s', '1h']),
  heartbeatUnhealthyMs: duration('heartbeat_unhealthy', '60s', ['1s', '1h']),
  roundTripDegradedMs: duration('round_trip_degraded', '2s', ['1ms', '1m']),
  roundTripUnhealthyMs: duration('round_trip_unhealthy', '10s', ['1ms', '1m']),
  /** Of turns and of deliveries: how far back the rates look. */
  rateWindowMs: duration('rate_window', '5m', ['10s', '1h']),
  /** Fewer attempts than that in the window say nothing. */
  rateSamplesMin: count('rate_samples_min', 10, [1, 100_000]),
  errorRateDegraded: fraction('error_rate_degraded', 0.1),
  errorRateUnhealthy: fraction('error_rate_unhealthy', 0.5),
  deliveryRateDegraded: fraction('delivery_rate_degraded', 0.9),
  deliveryRateUnhealthy: fraction('delivery_rate_unhealthy', 0.5),
  inboxDegraded: count('inbox_degraded', 1_000, [1, 1_000_000]),
  inboxUnhealthy: count('inbox_unhealthy', 8_000, [1, 1_000_000]),
  inboxAgeDegradedMs: duration('inbox_age_degraded', '10m', ['1s', '30d']),
  inboxAgeUnhealthyMs: duration('inbox_age_unhealthy', '2h', ['1s', '30d']),
  outboxDegraded: count('outbox_degraded', 1_000, [1, 1_000_000]),
  outboxUnhealthy: count('outbox_unhealthy', 8_000, [1, 1_000_000]),
  outboxAgeDegradedMs: duration('outbox_age_degraded', '10m', ['1s', '30d']),
  outboxAgeUnhealthyMs: duration('outbox_age_unhealthy', '24h', ['1s', '30d']),
  /** Work that could be done, while nothing runs and nothing is committed. */
  stalledDegradedMs: duration('stalled_degraded', '30s', ['1s', '24h']),
  stalledUnhealthyMs: duration('stalled_unhealthy', '2m', ['1s', '24h']),
  loopDelayDegradedMs: duration('loop_delay_degraded', '500ms', ['1ms', '1m']),
  loopDelayUnhealthyMs: duration('loop_delay_unhealthy', '5s', ['1ms', '5m']),
  memoryDegradedBytes: size('memory_degraded', '512MiB', ['16MiB', '1024GiB']),
  memoryUnhealthyBytes: size('memory_unhealthy', '1GiB', ['16MiB', '1024GiB']),
  memoryTrendMs: duration('memory_trend_window', '1h', ['10s', '24h']),
  /** Growth an hour, as the trend over the window has it. */
  memoryGrowthDegradedBytes: size('memory_growth_degraded', '64MiB', ['1MiB', '1024GiB']),
  /** Of one core, over a minute. */
  cpuDegraded: fraction('cpu_degraded', 0.95),
  diskFreeDegradedBytes: size('disk_free_degraded', '1GiB', ['0B', '1024GiB']),
  diskFreeUnhealthyBytes: size('disk_free_unhealthy', '100MiB', ['0B', '1024GiB']),
  /** Of the open files that the process may have. */
  openFilesDegraded: fraction('open_files_degraded', 0.8),
  openFilesUnhealthy: fraction('open_files_unhealthy', 0.95),
  /** The access token is over for so long, and no other came. */
  tokenDegradedMs: duration('token_expired_degraded', '1m', ['0ms', '24h']),
  tokenUnhealthyMs: duration('token_expired_unhealthy', '15m', ['0ms', '24h']),
  clockSkewDegradedMs: duration('clock_skew_degraded', '5s', ['1ms', '24h']),
  clockSkewUnhealthyMs: duration('clock_skew_unhealthy', '5m', ['1ms', '24h']),
  restartsWindowMs: duration('restarts_window', '10m', ['10s', '24h']),
  restartsDegraded: count('restarts_degraded', 3, [1, 1_000]),
  restartsUnhealthy: count('restarts_unhealthy', 10, [1, 1_000]),
  /** Of the hub, from here on: since its database could be written to. */
  databaseDegradedMs: duration('database_degraded', '4s', ['1s', '1h']),
  databaseUnhealthyMs: duration('database_unhealthy', '10s', ['1s', '1h']),
  /** From being asked for something to its being on disk. */
  commitTimeDegradedMs: duration('commit_time_degraded', '500ms', ['1ms', '1m']),
  commitTimeUnhealthyMs: duration('commit_time_unhealthy', '5s', ['1ms', '5m']),
  /** Of the connections that it takes. */
  connectionsDegraded: fraction('connections_degraded', 0.8),
  connectionsUnhealthy: fraction('connections_unhealthy', 0.95),
  /** More want to come in than are let in at a time, for so long. */
  admissionDegradedMs: duration('admission_degraded', '1m', ['1s', '24h']),
  admissionUnhealthyMs: duration('admission_unhealthy', '15m', ['1s', '24h']),
  waitingDegraded: count('waiting_degraded', 100_000, [1, 1_000_000_000]),
  waitingUnhealthy: count('waiting_unhealthy', 1_000_000, [1, 1_000_000_000]),
  waitingAgeDegradedMs: duration('waiting_age_degraded', '3d', ['1s', '30d']),
  waitingAgeUnhealthyMs: duration('waiting_age_unhealthy', '25d', ['1s', '30d']),
}

/** Whom to tell of `unhealthy` and of safe mode. */
export const notifyFields = {
  command: command('command'),
  webhook: webAddress('webhook'),
  /** The command is ended after so long, and so is an attempt at the webhook. */
  timeoutMs: duration('timeout', '30s', ['1s', '10m']),
  /** Shortest time between two notices about one agent. What comes in between is told together, by the last state. */
  everyMs: duration('every', '1m', ['1s', '24h']),
}

/** The files that are written to without end. */
export const logFields = {
  fileSizeMaxBytes: size('file_size_max', '10MiB', ['64KiB', '1GiB']),
  /** Age of its first line at which a file is set aside. */
  fileAgeMaxMs: optional(duration('file_age_max', '7d', ['1m', '365d'])),
  filesMax: count('files_max', 10, [1, 1_000]),
  /** Age of its last line at which one that was set aside goes. */
  ageMaxMs: optional(duration('age_max', '90d', ['1m', '3650d'])),
  compress: flag('compress', true),
  archive: folder('archive'),
}
