import { HealthMonitor, type HealthView } from '../../health/monitor.ts'
import type { HealthReport } from '../../health/report.ts'
import type { ServerSample } from '../../health/sample.ts'
import type { Backlog } from '../../hub/backlog.ts'
import type { Hub } from '../../hub/hub.ts'
import { hubConnectionsMax } from '../../hub/server/start-hub.ts'
import { knownFreeBytes } from '../../platform/known-free-bytes.ts'
import type { Log } from '../../platform/log.ts'
import type { Platform } from '../../platform/platform.ts'
import type { SettingsSource } from '../../settings/settings.ts'
import { countFailures } from '../past-failures.ts'
import { DatabaseProbe } from './database-probe.ts'
import { HubCounts } from './hub-counts.ts'

export interface HubHealthOptions {
  readonly platform: Pick<Platform, 'clock' | 'disk' | 'openSensors'>
  readonly log: Log
  readonly folder: string
  readonly settings: SettingsSource
}

/** How often it is counted what waits: it looks at each agent that has something waiting. */
const backlogEveryMs = 30_000

/** Looks after the health of a hub: its process, its database, and what it serves. */
export class HubHealth {
  /** The hub tells it what it does. */
  readonly counts = new HubCounts()
  readonly #options: HubHealthOptions
  #running:
    | { readonly hub: Hub; readonly monitor: HealthMonitor; readonly probe: DatabaseProbe; close(): void }
    | undefined
  #stopping = false
  #backlog: Backlog | undefined
  #backlogAskedMs = -Infinity
  #changes = 0

  constructor(options: HubHealthOptions) {
    this.#options = options
  }

  /** From when the hub listens. */
  begin(hub: Hub): void {
    const { platform, log, folder, settings } = this.#options
    const { clock } = platform
    const sensors = platform.openSensors()
    const failures = countFailures(folder)
    const probe = new DatabaseProbe({
      clock,
      probe: (depth) => hub.probe(depth),
      failures: () => this.counts.failed,
    })
    const monitor = new HealthMonitor({
      clock,
      log,
      subject: { agent: undefined },
      settings: () => settings.current.base.health,
      sample: (atMs, { restartsWindowMs }) => ({
        atMs,
        process: sensors.read(),
        diskFreeBytes: knownFreeBytes(platform.disk, folder),
        hub: undefined,
        queues: undefined,
        work: undefined,
        server: this.#served(hub, probe),
        restarts: failures(restartsWindowMs),
        safeMode: false,
      }),
      onChange: () => (this.#changes += 1),
    })
    const close = (): void => {
      monitor.stop()
      probe.stop()
      sensors.close()
    }
    this.#running = { hub, monitor, probe, close }
    monitor.start()
  }

  get report(): HealthReport {
    const { state, reasons } = this.view
    return { state, reasons, notReady: this.#notReady() }
  }

  get view(): HealthView {
    return this.#running?.monitor.view ?? nothingSeen
  }

  /** Changes of the overall state. */
  get changes(): number {
    return this.#changes
  }

  get sessionCount(): number {
    return this.#running?.hub.sessionCount ?? 0
  }

  get loopDelayMs(): number {
    return this.view.figures?.process.loopDelayMaxMs ?? 0
  }

  /** From when the hub is asked to stop: it takes nobody in any more. */
  stopping(): void {
    this.#stopping = true
  }

  stop(): void {
    this.stopping()
    this.#running?.close()
  }

  #notReady(): string[] {
    if (this.#stopping) return ['it is stopping']
    if (this.#running === undefined) return ['it is starting']
    const { trouble, silentMs } = this.#running.probe
    if (trouble !== undefined) return ['its database cannot be written to']
    const isSilent = silentMs >= this.#options.settings.current.base.health.databaseUnhealthyMs
    return isSilent ? ['its database does not answer'] : []
  }

  #served(hub: Hub, probe: DatabaseProbe): ServerSample {
    this.#count(hub)
    const { counts } = this
    const backlog = this.#backlog
    return {
      database: { silentMs: probe.silentMs, trouble: probe.trouble },
      commitMaxMs: counts.takeCommitMaxMs(),
      connections: hub.connectionCount,
      connectionsMax: hubConnectionsMax * Math.max(1, hub.addresses.length),
      turnedAway: counts.turnedAway.crowded,
      done: counts.done,
      failed: counts.failed,
      waiting: backlog?.messages,
      waitingAgeMs:
        backlog?.oldestAt === undefined
          ? undefined
          : Math.max(0, this.#options.platform.clock.now() - backlog.oldestAt),
    }
  }

  /** What cannot be counted keeps what was counted before: that the database is silent, the probe finds out. */
  #count(hub: Hub): void {
    const nowMs = this.#options.platform.clock.monotonicMs()
    if (nowMs - this.#backlogAskedMs < backlogEveryMs) return
    this.#backlogAskedMs = nowMs
    hub.backlog().then(
      (backlog) => (this.#backlog = backlog),
      () => undefined,
    )
  }
}

const nothingSeen: HealthView = { state: 'healthy', reasons: [], findings: [], figures: undefined }
