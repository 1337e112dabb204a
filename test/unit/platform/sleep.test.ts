import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sleep } from '../../../src/platform/clock.ts'
import { SimulatedClock, outside } from '../../../src/testing/index.ts'

test('sleeps as long as it is to', async () => {
  const clock = new SimulatedClock()
  await clock.settle(sleep(clock.for(outside), 250))
  assert.equal(clock.monotonicMs(), 250)
})

test('wakes at once when its signal aborts, before or while it sleeps', async () => {
  const clock = new SimulatedClock()
  const controller = new AbortController()
  clock.schedule(100, () => controller.abort())
  await clock.settle(sleep(clock.for(outside), 10_000, controller.signal))
  await clock.settle(sleep(clock.for(outside), 10_000, controller.signal))
  assert.equal(clock.monotonicMs(), 100)
})
