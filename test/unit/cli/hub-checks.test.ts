import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HubHealth } from '../../../src/cli/hub-health/hub-health.ts'
import type { Backlog } from '../../../src/hub/backlog.ts'
import type { Log } from '../../../src/platform/log.ts'
import { SettingsSource } from '../../../src/settings/settings.ts'
import { outside, SimulatedClock, SimulatedSensors } from '../../../src/testing/index.ts'

const note = (): void => undefined
const log: Log = { debug: note, info: note, warn: note, error: note, with: () => log }
const dayMs = 86_400_000

/** A hub of which a test says how it is. */
class Patient {
  readonly clock = new SimulatedClock()
  readonly sensors = new SimulatedSensors()
  readonly hub = {
    addresses: [{ host: '127.0.0.1', port: 8767 }],
    sessionCount: 0,
    connectionCount: 10,
    problem: undefined as Error | undefined,
    found: { messages: 0, oldestAt: undefined } as Backlog,
    probe: async () => {
      if (this.hub.problem !== undefined) throw this.hub.problem
    },
    backlog: async () => this.hub.found,
    close: async () => undefined,
  }
  readonly health = new HubHealth({
    platform: {
      clock: this.clock.for(outside),
      disk: { freeBytes: () => 50e9 } as never,
      openSensors: () => this.sensors,
    },
    log,
    folder: '/nowhere/hub',
    settings: new SettingsSource({ readFile: () => undefined }, '/home'),
  })

  get now(): number {
    return this.clock.for(outside).now()
  }
}

type HubCheck =
  | 'database'
  | 'commit_time'
  | 'connections'
  | 'admission'
  | 'waiting'
  | 'waiting_age'
  | 'error_rate'

const provocations: Record<HubCheck, (patient: Patient) => void | Promise<void>> = {
  database: ({ hub }) => void (hub.problem = new Error('the disk is gone, and nobody knows where')),
  commit_time: async ({ health, clock }) => {
    for (let sample = 0; sample < 2; sample++) {
      health.counts.wrote(3)
      health.counts.wrote(900)
      await clock.runFor(5_000)
    }
  },
  connections: ({ hub }) => void (hub.connectionCount = 45_000),
  admission: async ({ health, clock }) => {
    for (let second = 0; second < 70; second += 5) {
      health.counts.answered({ kind: 'refused', why: 'crowded', waitMs: 1 })
      await clock.runFor(5_000)
    }
  },
  waiting: async ({ hub, clock }) => {
    hub.found = { messages: 200_000, oldestAt: undefined }
    await clock.runFor(30_000)
  },
  waiting_age: async (patient) => {
    patient.hub.found = { messages: 1, oldestAt: patient.now - 4 * dayMs }
    await patient.clock.runFor(30_000)
  },
  error_rate: ({ health }) => {
    for (let count = 0; count < 10; count++) health.counts.operated(true)
  },
}

for (const [check, provoke] of Object.entries(provocations)) {
  test(`${check} of a hub: it is well, is provoked, and is said with what to do, alone`, async () => {
    const patient = new Patient()
    const { health, hub, clock } = patient
    assert.deepEqual(health.report.notReady, ['it is starting'])
    health.begin(hub)
    await clock.runFor(60_000)
    assert.equal(health.report.reasons.length, 0)
    assert.deepEqual(health.report.notReady, [])
    await provoke(patient)
    if (check !== 'commit_time' && check !== 'admission') await clock.runFor(11_000)
    const { reasons, notReady } = health.report
    assert.deepEqual(
      reasons.map((reason) => reason.check),
      [check],
    )
    assert.match(reasons[0]?.text ?? '', /.{10,}: .{10,}/)
    assert.deepEqual(notReady, check === 'database' ? ['its database cannot be written to'] : [])
    health.stop()
    assert.deepEqual(health.report.notReady, ['it is stopping'])
    assert.ok(patient.sensors.closed)
  })
}

test('those who come too often are no sign of a hub that is full', async () => {
  const { health, hub, clock } = new Patient()
  health.begin(hub)
  for (let second = 0; second < 120; second += 5) {
    health.counts.answered({ kind: 'refused', why: 'often', waitMs: 1 })
    await clock.runFor(5_000)
  }
  assert.equal(health.report.reasons.length, 0)
  assert.equal(health.counts.turnedAway.often, 24)
  health.stop()
})
