import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HealthMonitor, type HealthChange } from '../../../src/health/monitor.ts'
import type { HealthSample } from '../../../src/health/sample.ts'
import type { Log, LogFields } from '../../../src/platform/log.ts'
import { outside, SimulatedClock } from '../../../src/testing/index.ts'
import { healthSettings, sampleOf } from './health-world.ts'

function watching() {
  const clock = new SimulatedClock()
  const logged: (readonly [string, string, LogFields | undefined])[] = []
  const write = (level: string) => (event: string, fields?: LogFields) =>
    void logged.push([level, event, fields])
  const log: Log = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    with: () => log,
  }
  const world = { clock, logged, own: {} as Partial<HealthSample>, changes: [] as HealthChange[], samples: 0 }
  const monitor = new HealthMonitor({
    clock: clock.for(outside),
    log,
    subject: { agent: 'Ada' },
    settings: () => healthSettings(),
    sample: (atMs) => {
      world.samples += 1
      return sampleOf(atMs, world.own)
    },
    onChange: (change) => world.changes.push(change),
  })
  return { ...world, world, monitor }
}

test('takes a sample every five seconds, until it is stopped', async () => {
  const { clock, monitor, world } = watching()
  monitor.start()
  await clock.runFor(60_500)
  assert.equal(world.samples, 13)
  monitor.stop()
  await clock.runFor(60_000)
  assert.equal(world.samples, 13)
})

test('the state is the worst of all checks; a change is told and logged with its causes, the worst first', async () => {
  const { clock, monitor, world, logged } = watching()
  monitor.start()
  world.own = { diskFreeBytes: 5e8, restarts: 20 }
  await clock.runFor(10_500)
  assert.equal(monitor.view.state, 'unhealthy')
  assert.deepEqual(
    monitor.view.reasons.map(({ check, state }) => [check, state]),
    [
      ['restarts', 'unhealthy'],
      ['disk', 'degraded'],
    ],
  )
  world.own = {}
  await clock.runFor(60_000)
  assert.equal(monitor.view.state, 'healthy')
  monitor.stop()
  assert.deepEqual(
    world.changes.map(({ from, to, reasons }) => [from, to, reasons.map(({ check }) => check)]),
    [
      ['healthy', 'unhealthy', ['restarts', 'disk']],
      // Where all is well again, the causes are those of before.
      ['unhealthy', 'healthy', ['restarts', 'disk']],
    ],
  )
  const states = logged.filter(([, event]) => event === 'health:state:changed')
  assert.deepEqual(
    states.map(([level]) => level),
    ['error', 'info'],
  )
  assert.match(JSON.stringify(states[0]?.[2]), /ended unexpectedly 20 times/)
  const checks = logged.filter(([, event]) => event === 'health:check:changed')
  assert.deepEqual(
    checks.map(([, , fields]) => [fields?.['check'], fields?.['to']]),
    [
      ['disk', 'degraded'],
      ['restarts', 'unhealthy'],
      ['disk', 'healthy'],
      ['restarts', 'healthy'],
    ],
  )
})

test('a sample that cannot be taken is said once, ends nothing, and what was found last holds', async () => {
  const { clock, monitor, world, logged } = watching()
  world.own = { restarts: 20 }
  monitor.start()
  await clock.runFor(10_500)
  Object.defineProperty(world, 'own', {
    configurable: true,
    get: () => {
      throw new Error('the database is gone')
    },
  })
  await clock.runFor(60_000)
  assert.equal(monitor.view.state, 'unhealthy')
  assert.equal(logged.filter(([, event]) => event === 'health:sample:failed').length, 1)
  Object.defineProperty(world, 'own', { value: {} })
  await clock.runFor(60_000)
  assert.equal(monitor.view.state, 'healthy')
  monitor.stop()
})
