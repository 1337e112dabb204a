import { Exposition } from '../health/metrics/exposition.ts'
import { healthMetrics, seconds } from '../health/metrics/health-metrics.ts'
import type { Agent } from './agent.ts'
import type { AgentTimes } from './agent-times.ts'
import type { Counters } from './counters.ts'

export interface MetricsFacts {
  readonly agent: Agent
  readonly counters: Counters
  /** Wall-clock ms. */
  readonly startedAt: number
  readonly version: string
  readonly node: string
}

/** Everything that is measured, for `GET /metrics`; docs/reference/http.md lists it. */
export function agentMetrics(facts: MetricsFacts): string {
  const { agent, counters } = facts
  const { inbox, outbox, running, ready } = agent.load
  const page = new Exposition()
    .gauges('perdura_agent_info', 'Which agent this is, and what runs it.', [
      [{ agent: agent.name, version: facts.version, node: facts.node }, 1],
    ])
    .gauge(
      'perdura_process_start_time_seconds',
      'When the process started, seconds since 1970.',
      facts.startedAt / 1_000,
    )
  health(page, agent)
  page
    .counter('perdura_inbox_accepted_total', 'Entries that were taken in.', counters.accepted)
    .counter(
      'perdura_inbox_duplicates_total',
      'Entries that came again and were recognised.',
      counters.duplicates,
    )
    .counter('perdura_turn_attempts_total', 'Attempts at turns that began.', counters.attempts)
    .counter('perdura_turn_failures_total', 'Attempts at turns that failed.', counters.failures)
    .counter('perdura_turns_done_total', 'Turns that were committed.', counters.done)
    .counter('perdura_turns_parked_total', 'Turns that came to wait for a person.', counters.parked)
    .counter('perdura_turns_dead_total', 'Turns that were set aside.', counters.dead)
    .counter('perdura_outbox_committed_total', 'Messages that were committed to the outbox.', counters.sent)
    .counter('perdura_outbox_delivered_total', 'Messages that were delivered.', counters.delivered)
    .counter('perdura_outbox_refused_total', 'Messages that were refused.', counters.refused)
    .counter('perdura_outbox_expired_total', 'Messages that expired.', counters.expired)
    .gauge('perdura_inbox_entries', 'Entries that are not finished.', inbox)
    .gauge('perdura_outbox_messages', 'Messages to other agents without a verdict.', outbox)
    .gauge('perdura_turns_running', 'Turns that run.', running)
    .gauge('perdura_turns_ready', 'Entries that could be begun now.', ready)
  return page.toString()
}

/** What the last sample says, at most some seconds old. */
function health(page: Exposition, { health, safeMode }: Agent): void {
  if (health === undefined) return
  const { figures } = health.view
  page.gauge('perdura_safe_mode', 'Whether its mind is off.', safeMode ? 1 : 0)
  healthMetrics(page, health)
  histograms(page, health.times)
  if (figures === undefined) return
  const { hub, queues } = figures
  page
    .gauge(
      'perdura_inbox_oldest_age_seconds',
      'Age of the oldest entry that waits for the agent.',
      seconds(queues?.inboxAgeMs),
    )
    .gauge(
      'perdura_outbox_oldest_age_seconds',
      'Age of the oldest message without a verdict.',
      seconds(queues?.outboxAgeMs),
    )
    .gauge(
      'perdura_turns_stalled_seconds',
      'For so long there has been work, and nothing ran or was done.',
      seconds(figures.stalledMs),
    )
    .gauge(
      'perdura_turn_error_ratio',
      'Attempts that failed, of those that ended within the window.',
      figures.errorRate,
    )
    .gauge(
      'perdura_delivery_ratio',
      'Messages that arrived, of those whose outcome came within the window.',
      figures.deliveryRate,
    )
    .gauge(
      'perdura_hub_online',
      'Whether the agent is online at its hub.',
      hub === undefined ? undefined : hub.online ? 1 : 0,
    )
    .gauge(
      'perdura_hub_offline_seconds',
      'Since it is not.',
      hub === undefined ? undefined : hub.online ? 0 : hub.lastedMs / 1_000,
    )
    .gauge('perdura_hub_heard_ago_seconds', 'Since something came from the hub.', seconds(hub?.heardAgoMs))
    .gauge('perdura_hub_round_trip_seconds', 'To the hub and back.', seconds(hub?.roundTripMs))
    .gauge(
      'perdura_hub_clock_skew_seconds',
      "By how much the hub's clock is ahead.",
      seconds(hub?.clockSkewMs),
    )
    .gauge('perdura_hub_token_over_seconds', 'Since the access token is over.', seconds(hub?.tokenOverMs))
}

function histograms(page: Exposition, times: AgentTimes): void {
  page
    .histogram(
      'perdura_commit_duration_seconds',
      'Time to bring a batch of changes to the disk.',
      times.commit,
    )
    .histogram('perdura_turn_duration_seconds', 'Time of attempts at turns that were committed.', times.turn)
    .histogram(
      'perdura_publish_duration_seconds',
      "Time from a message's going to the hub to the verdict.",
      times.publish,
    )
    .histogram(
      'perdura_reconnect_duration_seconds',
      'Time from losing the hub to being online again.',
      times.reconnect,
    )
    .histogram(
      'perdura_recovery_duration_seconds',
      'Time from opening the store to being ready.',
      times.recovery,
    )
}
