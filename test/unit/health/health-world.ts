import type { HealthSample, ServerSample } from '../../../src/health/sample.ts'
import { SettingsSource, type HealthSettings } from '../../../src/settings/settings.ts'

const defaults = new SettingsSource({ readFile: () => undefined }, '/home').current.base.health

export function healthSettings(own: Partial<HealthSettings> = {}): HealthSettings {
  return { ...defaults, ...own }
}

/** A hub at rest, as a sample has it. */
export const servedAtRest: ServerSample = {
  database: { silentMs: 500, trouble: undefined },
  commitMaxMs: 2,
  connections: 10,
  connectionsMax: 1_000,
  turnedAway: 0,
  done: 0,
  failed: 0,
  waiting: 0,
  waitingAgeMs: undefined,
}

/** An agent at rest at its hub, and what is different about this one. */
export function sampleOf(atMs: number, own: Partial<HealthSample> = {}): HealthSample {
  return {
    atMs,
    process: {
      rssBytes: 60_000_000,
      heapUsedBytes: 10_000_000,
      cpuMs: 100,
      loopDelayMaxMs: 1,
      openFiles: 20,
      openFilesMax: 1_000,
    },
    diskFreeBytes: 50e9,
    hub: {
      online: true,
      lastedMs: 60_000,
      reason: 'resumed',
      heardAgoMs: 5_000,
      heartbeatMs: 10_000,
      roundTripMs: 10,
      clockSkewMs: 20,
      tokenOverMs: undefined,
    },
    queues: { inbox: 0, inboxAgeMs: undefined, outbox: 0, outboxAgeMs: undefined },
    work: { ready: 0, running: 0, done: 0, failed: 0, delivered: 0, undelivered: 0 },
    server: undefined,
    restarts: 0,
    safeMode: false,
    ...own,
  }
}
