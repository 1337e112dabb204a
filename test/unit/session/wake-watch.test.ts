import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WakeWatch, type Occasion } from '../../../src/session/wake-watch.ts'
import { SimulatedClock, SimulatedProcess } from '../../../src/testing/index.ts'

function watching() {
  const clock = new SimulatedClock()
  const process = new SimulatedProcess()
  const found: Occasion[] = []
  const watch = new WakeWatch(clock.for(process), (occasion) => void found.push(occasion))
  watch.start()
  return { clock, process, found, watch }
}

test('an hour asleep is noticed within two seconds of the wake, and its length too', async () => {
  const { clock, process, found, watch } = watching()
  await clock.runFor(5_000)
  clock.sleep(process, 3_600_000)
  await clock.runFor(3_599_000)
  assert.equal(found.length, 0)
  await clock.runFor(3_000)
  assert.equal(found.length, 1)
  const [{ reason, passedMs } = { reason: '', passedMs: 0 }] = found
  assert.match(reason, /went ahead by 1h: the machine slept/)
  assert.ok(Math.abs(passedMs - 3_600_000) < 10, `${passedMs} ms`)
  await clock.runFor(60_000)
  assert.equal(found.length, 1)
  watch.stop()
})

test('a sleep during which the monotonic clock goes on is noticed by a late timer', async () => {
  const { clock, process, found, watch } = watching()
  clock.sleep(process, 60_000, { monotonicGoesOn: true })
  await clock.runFor(61_000)
  assert.deepEqual(found, [{ reason: 'this process stood still for 58.0s', passedMs: 0 }])
  watch.stop()
})

test('a clock that is set is noticed, ahead and back', async () => {
  const { clock, found, watch } = watching()
  clock.jump(3_600_000)
  await clock.runFor(2_500)
  clock.jump(-7_200_000)
  await clock.runFor(2_500)
  assert.deepEqual(
    found.map(({ reason }) => reason),
    ['the clock went ahead by 1h: the machine slept, or the clock was set', 'the clock was set back by 2h'],
  )
  assert.equal(found[1]?.passedMs, 0)
  watch.stop()
})

test('a clock that is corrected a little, and a process that is busy for a moment, are no occasion', async () => {
  const { clock, found, watch } = watching()
  for (let n = 0; n < 50; n++) {
    clock.jump(n % 2 === 0 ? 2_000 : -2_000)
    clock.stall(1_500)
    await clock.runFor(2_100)
  }
  assert.deepEqual(found, [])
  watch.stop()
  await clock.runUntilQuiet()
})
