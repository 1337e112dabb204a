import { HealthMonitor } from '../health/monitor.ts'
import type { HealthReport } from '../health/report.ts'
import type { Log } from '../platform/log.ts'
import type { Platform } from '../platform/platform.ts'
import type { SettingsSource } from '../settings/settings.ts'

export interface HubHealthOptions {
  readonly platform: Pick<Platform, 'clock' | 'disk' | 'openSensors'>
  readonly log: Log
  readonly folder: string
  readonly settings: SettingsSource
}

/** Looks after the health of the hub's process: its event loop, memory, processor time, open files and disk. */
export class HubHealth {
  readonly #monitor: HealthMonitor
  readonly #close: () => void

  constructor({ platform, log, folder, settings }: HubHealthOptions) {
    const sensors = platform.openSensors()
    this.#close = () => sensors.close()
    this.#monitor = new HealthMonitor({
      clock: platform.clock,
      log,
      subject: { agent: undefined },
      settings: () => settings.current.base.health,
      sample: (atMs) => ({
        atMs,
        process: sensors.read(),
        diskFreeBytes: freeBytes(platform.disk, folder),
        hub: undefined,
        queues: undefined,
        work: undefined,
        restarts: undefined,
        safeMode: false,
      }),
    })
    this.#monitor.start()
  }

  get report(): HealthReport {
    const { state, reasons } = this.#monitor.view
    return { state, reasons, notReady: [] }
  }

  get loopDelayMs(): number {
    return this.#monitor.view.figures?.process.loopDelayMaxMs ?? 0
  }

  stop(): void {
    this.#monitor.stop()
    this.#close()
  }
}

/** Undefined where it cannot be found out: an unreachable disk is no full one. */
function freeBytes(disk: Pick<Platform['disk'], 'freeBytes'>, folder: string): number | undefined {
  try {
    return disk.freeBytes(folder)
  } catch {
    return undefined
  }
}
