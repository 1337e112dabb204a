import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runChecks } from '../../../src/health/checks.ts'
import { checkNames, type CheckName, type Finding } from '../../../src/health/finding.ts'
import type { HealthState } from '../../../src/health/report.ts'
import type { Figures } from '../../../src/health/sample.ts'
import { healthSettings, sampleOf, servedAtRest as server } from './health-world.ts'

const settings = healthSettings()

function figures(own: Partial<Figures> = {}): Figures {
  return {
    ...sampleOf(0),
    errorRate: 0,
    deliveryRate: 1,
    cpu: 0.01,
    memoryGrowthBytes: 0,
    stalledMs: 0,
    turnedAwayMs: 0,
    ...own,
  }
}

const find = (own: Partial<Figures>, check: CheckName): Finding | undefined =>
  runChecks(figures(own), settings, { agent: 'Ada' }).find((finding) => finding.check === check)

const { process, hub, queues } = sampleOf(0)
assert.ok(hub !== undefined && queues !== undefined)

/** What a check says just before and at each of its thresholds. */
const table: Record<CheckName, readonly (readonly [Partial<Figures>, HealthState | undefined])[]> = {
  safe_mode: [
    [{ safeMode: false }, 'healthy'],
    [{ safeMode: true }, 'unhealthy'],
  ],
  connection: [
    [{ hub: { ...hub, online: true, lastedMs: 1e9 } }, 'healthy'],
    [{ hub: { ...hub, online: false, lastedMs: 29_999 } }, 'healthy'],
    [{ hub: { ...hub, online: false, lastedMs: 30_000 } }, 'degraded'],
    [{ hub: { ...hub, online: false, lastedMs: 300_000 } }, 'unhealthy'],
  ],
  heartbeat: [
    [{ hub: { ...hub, heardAgoMs: 24_999 } }, 'healthy'],
    [{ hub: { ...hub, heardAgoMs: 25_000 } }, 'degraded'],
    [{ hub: { ...hub, heardAgoMs: 60_000 } }, 'unhealthy'],
    // Who beats once in five minutes hears as often.
    [{ hub: { ...hub, heardAgoMs: 300_000, heartbeatMs: 300_000 } }, 'healthy'],
    [{ hub: { ...hub, heardAgoMs: 315_000, heartbeatMs: 300_000 } }, 'degraded'],
  ],
  round_trip: [
    [{ hub: { ...hub, roundTripMs: 1_999 } }, 'healthy'],
    [{ hub: { ...hub, roundTripMs: 2_000 } }, 'degraded'],
    [{ hub: { ...hub, roundTripMs: 10_000 } }, 'unhealthy'],
  ],
  token: [
    [{ hub: { ...hub, tokenOverMs: 59_999 } }, 'healthy'],
    [{ hub: { ...hub, tokenOverMs: 60_000 } }, 'degraded'],
    [{ hub: { ...hub, tokenOverMs: 900_000 } }, 'unhealthy'],
  ],
  clock_skew: [
    [{ hub: { ...hub, clockSkewMs: -4_999 } }, 'healthy'],
    [{ hub: { ...hub, clockSkewMs: -5_000 } }, 'degraded'],
    [{ hub: { ...hub, clockSkewMs: 300_000 } }, 'unhealthy'],
  ],
  error_rate: [
    [{ errorRate: 0.099 }, 'healthy'],
    [{ errorRate: 0.1 }, 'degraded'],
    [{ errorRate: 0.5 }, 'unhealthy'],
  ],
  delivery_rate: [
    [{ deliveryRate: 0.9 }, 'healthy'],
    [{ deliveryRate: 0.89 }, 'degraded'],
    [{ deliveryRate: 0.49 }, 'unhealthy'],
  ],
  inbox: [
    [{ queues: { ...queues, inbox: 999 } }, 'healthy'],
    [{ queues: { ...queues, inbox: 1_000 } }, 'degraded'],
    [{ queues: { ...queues, inbox: 8_000 } }, 'unhealthy'],
  ],
  inbox_age: [
    [{ queues: { ...queues, inboxAgeMs: 599_999 } }, 'healthy'],
    [{ queues: { ...queues, inboxAgeMs: 600_000 } }, 'degraded'],
    [{ queues: { ...queues, inboxAgeMs: 7_200_000 } }, 'unhealthy'],
  ],
  outbox: [
    [{ queues: { ...queues, outbox: 999 } }, 'healthy'],
    [{ queues: { ...queues, outbox: 1_000 } }, 'degraded'],
    [{ queues: { ...queues, outbox: 8_000 } }, 'unhealthy'],
  ],
  outbox_age: [
    [{ queues: { ...queues, outboxAgeMs: 599_999 } }, 'healthy'],
    [{ queues: { ...queues, outboxAgeMs: 600_000 } }, 'degraded'],
    [{ queues: { ...queues, outboxAgeMs: 86_400_000 } }, 'unhealthy'],
  ],
  progress: [
    [{ stalledMs: 29_999 }, 'healthy'],
    [{ stalledMs: 30_000 }, 'degraded'],
    [{ stalledMs: 120_000 }, 'unhealthy'],
  ],
  loop_delay: [
    [{ process: { ...process, loopDelayMaxMs: 499 } }, 'healthy'],
    [{ process: { ...process, loopDelayMaxMs: 500 } }, 'degraded'],
    [{ process: { ...process, loopDelayMaxMs: 5_000 } }, 'unhealthy'],
  ],
  memory: [
    [{ process: { ...process, rssBytes: 2 ** 29 - 1 } }, 'healthy'],
    [{ process: { ...process, rssBytes: 2 ** 29 } }, 'degraded'],
    [{ process: { ...process, rssBytes: 2 ** 30 } }, 'unhealthy'],
  ],
  memory_trend: [
    [{ memoryGrowthBytes: -(2 ** 40) }, 'healthy'],
    [{ memoryGrowthBytes: 2 ** 26 - 1 }, 'healthy'],
    [{ memoryGrowthBytes: 2 ** 26 }, 'degraded'],
    [{ memoryGrowthBytes: 2 ** 40 }, 'degraded'],
  ],
  cpu: [
    [{ cpu: 0.94 }, 'healthy'],
    [{ cpu: 0.95 }, 'degraded'],
    [{ cpu: 4 }, 'degraded'],
  ],
  disk: [
    [{ diskFreeBytes: 2 ** 30 }, 'healthy'],
    [{ diskFreeBytes: 2 ** 30 - 1 }, 'degraded'],
    [{ diskFreeBytes: 100 * 2 ** 20 - 1 }, 'unhealthy'],
  ],
  open_files: [
    [{ process: { ...process, openFiles: 799 } }, 'healthy'],
    [{ process: { ...process, openFiles: 800 } }, 'degraded'],
    [{ process: { ...process, openFiles: 950 } }, 'unhealthy'],
  ],
  restarts: [
    [{ restarts: 2 }, 'healthy'],
    [{ restarts: 3 }, 'degraded'],
    [{ restarts: 10 }, 'unhealthy'],
  ],
  database: [
    [{ server: { ...server, database: { silentMs: 3_999, trouble: 'locked' } } }, 'healthy'],
    [{ server: { ...server, database: { silentMs: 4_000, trouble: undefined } } }, 'degraded'],
    [{ server: { ...server, database: { silentMs: 10_000, trouble: 'hub.db is gone' } } }, 'unhealthy'],
  ],
  commit_time: [
    [{ server: { ...server, commitMaxMs: undefined } }, undefined],
    [{ server: { ...server, commitMaxMs: 499 } }, 'healthy'],
    [{ server: { ...server, commitMaxMs: 500 } }, 'degraded'],
    [{ server: { ...server, commitMaxMs: 5_000 } }, 'unhealthy'],
  ],
  connections: [
    [{ server: { ...server, connections: 799 } }, 'healthy'],
    [{ server: { ...server, connections: 800 } }, 'degraded'],
    [{ server: { ...server, connections: 950 } }, 'unhealthy'],
  ],
  admission: [
    [{ server, turnedAwayMs: 59_999 }, 'healthy'],
    [{ server, turnedAwayMs: 60_000 }, 'degraded'],
    [{ server, turnedAwayMs: 900_000 }, 'unhealthy'],
  ],
  waiting: [
    [{ server: { ...server, waiting: undefined } }, undefined],
    [{ server: { ...server, waiting: 99_999 } }, 'healthy'],
    [{ server: { ...server, waiting: 100_000 } }, 'degraded'],
    [{ server: { ...server, waiting: 1_000_000 } }, 'unhealthy'],
  ],
  waiting_age: [
    [{ server: { ...server, waitingAgeMs: 259_199_999 } }, 'healthy'],
    [{ server: { ...server, waitingAgeMs: 259_200_000 } }, 'degraded'],
    [{ server: { ...server, waitingAgeMs: 2_160_000_000 } }, 'unhealthy'],
  ],
}

for (const check of checkNames) {
  test(`${check} turns at its thresholds, and says then what to do`, () => {
    for (const [own, state] of table[check]) {
      const found = find(own, check)
      assert.equal(found?.state, state, JSON.stringify({ own, found }))
      // What is found, and behind a colon what to do about it.
      if (state === 'degraded' || state === 'unhealthy') assert.match(found?.text ?? '', /.{10,}: .{10,}/)
      assert.doesNotMatch(found?.text ?? '', /undefined|NaN|Infinity/)
    }
  })
}

test('an agent at rest is healthy in all of them, with the value and the threshold that comes first', () => {
  const findings = runChecks(figures(), settings, { agent: 'Ada' })
  assert.deepEqual(new Set(findings.map(({ state }) => state)), new Set(['healthy']))
  const memory = findings.find(({ check }) => check === 'memory')
  assert.deepEqual([memory?.value, memory?.threshold], [60_000_000, 2 ** 29])
})

test('what does not apply is not judged: without a hub, of a hub, before there is enough to say', () => {
  const bare = figures({
    hub: undefined,
    queues: undefined,
    work: undefined,
    errorRate: undefined,
    deliveryRate: undefined,
    cpu: undefined,
    memoryGrowthBytes: undefined,
    restarts: undefined,
    process: { ...process, openFiles: undefined, openFilesMax: undefined },
  })
  const checks = runChecks(bare, settings, { agent: undefined }).map(({ check }) => check)
  assert.deepEqual(checks, ['loop_delay', 'memory', 'disk'])
})
