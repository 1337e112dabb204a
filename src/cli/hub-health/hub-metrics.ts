import { Exposition } from '../../health/metrics/exposition.ts'
import { healthMetrics, seconds } from '../../health/metrics/health-metrics.ts'
import type { HubHealth } from './hub-health.ts'

export interface HubMetricsFacts {
  readonly health: HubHealth
  /** Wall-clock ms. */
  readonly startedAt: number
  readonly version: string
  readonly node: string
}

/** Everything that is measured of a hub, for `GET /metrics`; docs/reference/hub-api.md lists it. */
export function hubMetrics({ health, startedAt, version, node }: HubMetricsFacts): string {
  const page = new Exposition()
    .gauges('perdura_hub_info', 'What runs the hub.', [[{ version, node }, 1]])
    .gauge(
      'perdura_process_start_time_seconds',
      'When the process started, seconds since 1970.',
      startedAt / 1_000,
    )
  healthMetrics(page, health)
  const { counts, view } = health
  const server = view.figures?.server
  page
    .gauge('perdura_hub_sessions', 'Agents that have a session over a connection here.', health.sessionCount)
    .gauge('perdura_hub_connections', 'WebSockets.', server?.connections)
    .gauge('perdura_hub_connections_limit', 'WebSockets that it takes.', server?.connectionsMax)
    .counter('perdura_hub_admitted_total', 'Connections and logins that were let in.', counts.admitted)
    .counters(
      'perdura_hub_turned_away_total',
      'Connections and logins that were told to come again.',
      Object.entries(counts.turnedAway).map(([why, count]) => [{ why }, count]),
    )
    .counter('perdura_hub_operations_total', 'Operations on the database that were done.', counts.done)
    .counter('perdura_hub_operation_failures_total', 'Operations that the hub failed at.', counts.failed)
    .gauge(
      'perdura_hub_error_ratio',
      'Operations that failed, of those within the window.',
      view.figures?.errorRate,
    )
    .histogram(
      'perdura_hub_commit_duration_seconds',
      "Time from an operation's being asked for to its being on disk.",
      counts.commit,
    )
    .gauge(
      'perdura_hub_database_silent_seconds',
      'Since the database could be written to.',
      seconds(server?.database.silentMs),
    )
    .gauge(
      'perdura_hub_turned_away_seconds',
      'For so long more have come than are let in.',
      seconds(view.figures?.turnedAwayMs),
    )
    .gauge('perdura_hub_waiting_messages', 'Messages that wait for agents.', server?.waiting)
    .gauge(
      'perdura_hub_waiting_oldest_age_seconds',
      'Age of the oldest of them.',
      seconds(server?.waitingAgeMs),
    )
  return page.toString()
}
