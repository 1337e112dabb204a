import { HealthMonitor, type HealthChange, type HealthView } from '../health/monitor.ts'
import type { HealthReport } from '../health/report.ts'
import type { HealthSample, HubSample, QueueSample } from '../health/sample.ts'
import type { Clock } from '../platform/clock.ts'
import { knownFreeBytes } from '../platform/known-free-bytes.ts'
import type { Disk } from '../platform/disk.ts'
import type { Log } from '../platform/log.ts'
import type { Sensors } from '../platform/sensors.ts'
import { terminal } from '../queue/outbox.ts'
import type { HealthSettings } from '../settings/settings.ts'
import { commitRoomBytes } from '../store/journal.ts'
import type { Agent, AgentHealth } from './agent.ts'
import type { AgentTimes } from './agent-times.ts'
import { countEvents } from './counters.ts'
import { pauses } from './queue-queries.ts'

export interface HealthOptions {
  readonly sensors: Sensors
  readonly disk: Pick<Disk, 'freeBytes'>
  /** Asked for with every sample, since they may be read again. */
  readonly settings: () => HealthSettings
  readonly times: AgentTimes
  /** How long the connection to the hub may be quiet before a ping, where that is not the default. */
  readonly heartbeatMs?: number | undefined
  /** Unexpected ends of earlier processes within the last `windowMs`; undefined where nobody counts them. */
  readonly restarts?: ((windowMs: number) => number | undefined) | undefined
}

export interface AgentHealthOptions extends HealthOptions {
  readonly agent: Omit<Agent, 'health'>
  readonly clock: Clock
  readonly log: Log
  readonly onChange: (change: HealthChange) => void
}

/** How often the file of the credentials is read for the state of the token. */
const tokenEveryMs = 30_000

/** Looks after the health of one running agent: what to look at, and what being ready means. */
export function createAgentHealth(options: AgentHealthOptions): AgentHealth {
  const { agent, clock, log, sensors, disk, settings, times, restarts } = options
  const counters = countEvents(agent)
  const token = new TokenWatch(agent, clock)
  times.watch(agent, () => clock.monotonicMs())
  let changes = 0
  let stopping = false
  const monitor = new HealthMonitor({
    clock,
    log,
    subject: { agent: agent.name },
    settings,
    sample: (atMs, { restartsWindowMs }): HealthSample => ({
      atMs,
      process: sensors.read(),
      diskFreeBytes: knownFreeBytes(disk, agent.folder),
      hub: hubSample(agent, clock, token, options.heartbeatMs),
      queues: queueSample(agent, clock.now()),
      work: {
        ready: agent.load.ready,
        running: agent.load.running,
        done: counters.done,
        failed: counters.failures,
        delivered: counters.delivered,
        undelivered: counters.refused + counters.expired,
      },
      server: undefined,
      restarts: restarts?.(restartsWindowMs),
      safeMode: agent.safeMode,
    }),
    onChange: (change) => {
      changes += 1
      options.onChange(change)
    },
  })
  const notReady = (): string[] => {
    if (stopping) return ['it is stopping']
    const found: string[] = []
    const { load, safeMode } = agent
    if (safeMode) found.push('it is in safe mode')
    if ((knownFreeBytes(disk, agent.folder) ?? Infinity) < commitRoomBytes) found.push('the disk is full')
    if (load.inboxRoom === 0) found.push('the inbox is full')
    const paused = isPaused(agent)
    if (paused === undefined) found.push('its database cannot be read')
    else if (paused) found.push('the inbox is paused')
    const { figures } = monitor.view
    if (figures !== undefined && figures.stalledMs >= settings().stalledUnhealthyMs) {
      found.push('there is work, and nothing of it is done')
    }
    return found
  }
  return {
    get view(): HealthView {
      return monitor.view
    },
    get report(): HealthReport {
      const { state, reasons } = monitor.view
      return { state, reasons, notReady: notReady() }
    },
    get stalled() {
      return (monitor.view.figures?.stalledMs ?? 0) >= settings().stalledUnhealthyMs
    },
    get changes() {
      return changes
    },
    times,
    start: () => monitor.start(),
    stop() {
      stopping = true
      monitor.stop()
      sensors.close()
    },
  }
}

/** Undefined where its database cannot be read. */
function isPaused({ reader }: Pick<Agent, 'reader'>): boolean | undefined {
  try {
    return pauses(reader).inbox !== null
  } catch {
    return undefined
  }
}

function hubSample(
  agent: Pick<Agent, 'session'>,
  clock: Clock,
  token: TokenWatch,
  heartbeatMs = 0,
): HubSample | undefined {
  const { session } = agent
  if (session === undefined) return undefined
  const online = session.state === 'online'
  return {
    online,
    lastedMs: Math.max(0, clock.now() - session.since),
    reason: session.reason,
    heardAgoMs: online ? (session.heardAgoMs ?? undefined) : undefined,
    heartbeatMs,
    roundTripMs: session.roundTripMs ?? undefined,
    clockSkewMs: session.clockSkewMs ?? undefined,
    tokenOverMs: token.overMs(),
  }
}

/** Ages only of what the agent itself could get on with: what a person has paused or has to decide about is no fault of it. */
function queueSample({ load, reader }: Pick<Agent, 'load' | 'reader'>, now: number): QueueSample {
  const { inbox, outbox } = load
  const paused = pauses(reader)
  const ageMs = (sql: string): number | undefined => {
    const since = reader.get<{ since: number | null }>(sql)?.since
    return since === null || since === undefined ? undefined : Math.max(0, now - since)
  }
  // Where there is nothing, nothing is asked; the conditions are those of the partial indexes.
  return {
    inbox,
    inboxAgeMs:
      inbox === 0 || paused.inbox !== null
        ? undefined
        : ageMs(
            `SELECT min(received_at) AS since FROM inbox WHERE status IN ('pending', 'running', 'parked') AND status = 'pending'`,
          ),
    outbox,
    outboxAgeMs:
      outbox === 0 || paused.outbox !== null
        ? undefined
        : ageMs(
            `SELECT min(created_at) AS since FROM outbox WHERE status = 'pending' AND recipient <> '${terminal}'`,
          ),
  }
}

/** Since when the access token is over. */
class TokenWatch {
  readonly #agent: Pick<Agent, 'tokens'>
  readonly #clock: Pick<Clock, 'monotonicMs'>
  #askedMs = -Infinity
  #overSinceMs: number | undefined

  constructor(agent: Pick<Agent, 'tokens'>, clock: Pick<Clock, 'monotonicMs'>) {
    this.#agent = agent
    this.#clock = clock
  }

  overMs(): number | undefined {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#askedMs >= tokenEveryMs) {
      this.#askedMs = nowMs
      if (this.#isOver()) this.#overSinceMs ??= nowMs
      else this.#overSinceMs = undefined
    }
    return this.#overSinceMs === undefined ? undefined : nowMs - this.#overSinceMs
  }

  #isOver(): boolean {
    try {
      return this.#agent.tokens?.status().access.state === 'expired'
    } catch {
      // A file that cannot be read now says nothing about the token; that it cannot be read, the session finds out.
      return false
    }
  }
}
