import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ServiceReport } from '../../../../src/daemon/service/service-report.ts'
import { SimulatedClock } from '../../../../src/testing/clock.ts'

type Fields = Readonly<Record<string, string>>

function world(watchdogMs: number | undefined) {
  const clock = new SimulatedClock()
  const told: Fields[] = []
  const facts = { said: '2 agents run', healthy: true }
  const notifier = {
    watchdogMs,
    async tell(fields: Fields) {
      told.push(fields)
    },
  }
  const report = new ServiceReport(notifier, {
    setTimer: (delayMs, fire) => clock.schedule(delayMs, fire),
  })
  const ready = () => report.ready({ status: () => facts.said, healthy: () => facts.healthy })
  return { clock, told, facts, report, ready }
}

test('says nothing before it is ready', async () => {
  const { clock, told } = world(30_000)
  await clock.runFor(60_000)
  assert.deepEqual(told, [])
})

test('is heard of at least twice within the time of the watchdog', async () => {
  const { clock, told, ready } = world(30_000)
  await ready()
  assert.deepEqual([...told], [{ READY: '1', STATUS: '2 agents run' }])
  await clock.runFor(60_000)
  const beats = told.filter((fields) => fields['WATCHDOG'] === '1')
  assert.ok(beats.length >= 4, `${beats.length} in twice the time`)
})

test('is not heard of any more where what it is for does not go on', async () => {
  const { clock, told, facts, ready } = world(30_000)
  await ready()
  facts.healthy = false
  facts.said = 'supervises nothing'
  await clock.runFor(60_000)
  assert.deepEqual(told.slice(1), [{ STATUS: 'supervises nothing' }])
})

test('without a watchdog it tells what has changed, and no more', async () => {
  const { clock, told, facts, ready } = world(undefined)
  await ready()
  await clock.runFor(60_000)
  facts.said = '3 agents run'
  await clock.runFor(60_000)
  assert.deepEqual(told.slice(1), [{ STATUS: '3 agents run' }])
})

test('a reload carries its time, and ends by being ready', async () => {
  const { told, report, ready } = world(undefined)
  await ready()
  await report.reloading(123_456n)
  await ready()
  assert.deepEqual(told.slice(1), [
    { RELOADING: '1', MONOTONIC_USEC: '123456' },
    { READY: '1', STATUS: '2 agents run' },
  ])
})

test('at its end it says how long it takes, and is not heard of after it was closed', async () => {
  const { clock, told, report, ready } = world(30_000)
  await ready()
  await report.stopping(90_000.5)
  report.close()
  await clock.runFor(120_000)
  assert.deepEqual(told.slice(1), [{ STOPPING: '1', STATUS: 'stopping', EXTEND_TIMEOUT_USEC: '90000500' }])
})
