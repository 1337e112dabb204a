import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setAwakeTimer } from '../../../src/platform/awake-timer.ts'
import { SimulatedClock } from '../../../src/testing/index.ts'
import { SimulatedProcess } from '../../../src/testing/process.ts'

test('An awake timer fires after its delay', async () => {
  const clock = new SimulatedClock()
  let firedMs: number | undefined
  setAwakeTimer(clock.for(new SimulatedProcess()), 1_450, () => {
    firedMs = clock.monotonicMs()
  })
  await clock.runUntilQuiet()
  assert.equal(firedMs, 1_450)
})

test('An awake timer does not count what its process slept through, and lets what waits be read first', async () => {
  const clock = new SimulatedClock()
  const process = new SimulatedProcess()
  const heard: string[] = []
  setAwakeTimer(clock.for(process), 1_500, () => heard.push('timer'))
  await clock.runFor(1_450)
  clock.sleep(process, 60_000, { monotonicGoesOn: true })
  clock.schedule(30_000, () => heard.push('word'), process)
  await clock.runUntilQuiet()
  assert.deepEqual(heard, ['word', 'timer'])
})

test('An awake timer of a loop that is never on time fires all the same', async () => {
  const clock = new SimulatedClock()
  let fired = false
  setAwakeTimer(clock.for(new SimulatedProcess()), 1_500, () => {
    fired = true
  })
  const block = (): void => {
    clock.stall(1_000)
    if (!fired) clock.schedule(1, block)
  }
  block()
  await clock.run(() => fired, { withinMs: 60_000 })
})

test('An awake timer that is cancelled does not fire', async () => {
  const clock = new SimulatedClock()
  const timer = setAwakeTimer(clock.for(new SimulatedProcess()), 1_500, () => assert.fail('it was cancelled'))
  await clock.runFor(700)
  timer.cancel()
  await clock.runUntilQuiet()
})
