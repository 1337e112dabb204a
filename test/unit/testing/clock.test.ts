import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sleep } from '../../../src/platform/clock.ts'
import { SimulatedClock, SimulatedProcess, SimulationStuck, outside } from '../../../src/testing/index.ts'

test('runs timers in the order of their times, and of their setting where these are equal', async () => {
  const simulated = new SimulatedClock()
  const clock = simulated.for(outside)
  const order: string[] = []
  for (const [name, delay] of [
    ['c', 30],
    ['a', 10],
    ['d', 30],
    ['b', 20],
    ['e', 30],
  ] as const) {
    clock.setTimer(delay, () => order.push(`${name}@${clock.monotonicMs()}`))
  }
  await simulated.runUntilQuiet()
  assert.deepEqual(order, ['a@10', 'b@20', 'c@30', 'd@30', 'e@30'])
})

test('keeps the order of a thousand timers', async () => {
  const simulated = new SimulatedClock()
  const fired: number[] = []
  for (let index = 0; index < 1_000; index += 1) {
    const delay = (index * 7_919) % 1_009
    simulated.schedule(delay, () => fired.push(delay))
  }
  await simulated.runUntilQuiet()
  assert.equal(fired.length, 1_000)
  assert.deepEqual(
    fired,
    fired.toSorted((one, other) => one - other),
  )
})

test('lets everything go on that an event set free before it runs the next', async () => {
  const simulated = new SimulatedClock()
  const clock = simulated.for(outside)
  const order: string[] = []
  const run = async (): Promise<void> => {
    await sleep(clock, 10)
    order.push('first')
    for (let hop = 0; hop < 50; hop += 1) await Promise.resolve()
    order.push('its promises')
  }
  const done = run()
  clock.setTimer(10, () => order.push('second'))
  await simulated.settle(done)
  await simulated.runUntilQuiet()
  assert.deepEqual(order, ['first', 'its promises', 'second'])
})

test('passes a year in no time', async () => {
  const simulated = new SimulatedClock()
  const year = 365 * 86_400_000
  await simulated.settle(sleep(simulated.for(outside), year), { withinMs: year })
  assert.equal(simulated.monotonicMs(), year)
})

test('does not fire what was cancelled', async () => {
  const simulated = new SimulatedClock()
  let fired = false
  const timer = simulated.for(outside).setTimer(10, () => (fired = true))
  timer.cancel()
  timer.cancel()
  await simulated.runUntilQuiet()
  assert.equal(fired, false)
})

test('runs a deferred call after what is ready, at the same time', async () => {
  const simulated = new SimulatedClock()
  const clock = simulated.for(outside)
  const order: string[] = []
  clock.setTimer(0, () => order.push('ready'))
  clock.defer(() => order.push(`deferred@${clock.monotonicMs()}`))
  await simulated.runUntilQuiet()
  assert.deepEqual(order, ['ready', 'deferred@0'])
})

test('jumps on the wall and not in monotonic time', async () => {
  const simulated = new SimulatedClock()
  const clock = simulated.for(outside)
  const before = clock.now()
  let firedAt = 0
  clock.setTimer(100, () => (firedAt = clock.monotonicMs()))
  simulated.jump(-3_600_000)
  await simulated.runUntilQuiet()
  assert.equal(firedAt, 100)
  assert.equal(clock.now(), before - 3_600_000 + 100)
})

test('fires late what became due while everything was blocked', async () => {
  const simulated = new SimulatedClock()
  const clock = simulated.for(outside)
  const times: number[] = []
  clock.setTimer(10, () => simulated.stall(500))
  clock.setTimer(20, () => times.push(clock.monotonicMs()))
  await simulated.runUntilQuiet()
  assert.deepEqual(times, [510])
})

test('never fires the timers of a dead process', async () => {
  const simulated = new SimulatedClock()
  const process = new SimulatedProcess()
  const fired: string[] = []
  const clock = simulated.for(process)
  clock.setTimer(10, () => fired.push('before'))
  clock.setTimer(30, () => fired.push('after'))
  simulated.schedule(20, () => process.kill())
  simulated.schedule(40, () => fired.push('of another'))
  await simulated.runUntilQuiet()
  assert.deepEqual(fired, ['before', 'of another'])
})

test('runs for a while and no further', async () => {
  const simulated = new SimulatedClock()
  let ticks = 0
  const tick = (): void => {
    ticks += 1
    simulated.schedule(10, tick)
  }
  simulated.schedule(10, tick)
  await simulated.runFor(105)
  assert.equal(ticks, 10)
  assert.equal(simulated.monotonicMs(), 105)
})

test('says that it is stuck when nothing more will happen', async () => {
  const simulated = new SimulatedClock()
  simulated.schedule(10, () => {})
  await assert.rejects(
    simulated.run(() => false),
    (error) => error instanceof SimulationStuck && /nothing more will happen, at 10 ms/.test(error.message),
  )
})

test('says that it is stuck when events never end', async () => {
  const simulated = new SimulatedClock()
  const again = (): void => void simulated.schedule(0, again)
  again()
  await assert.rejects(
    simulated.run(() => false, { eventsMax: 100 }),
    /100 events ran without an end/,
  )
})

test('says that it is stuck when it takes too long', async () => {
  const simulated = new SimulatedClock()
  simulated.schedule(1_001, () => {})
  await assert.rejects(
    simulated.run(() => false, { withinMs: 1_000 }),
    /not done after 1000 ms/,
  )
})

test('fails with what an event throws', async () => {
  const simulated = new SimulatedClock()
  simulated.schedule(1, () => {
    throw new Error('a bug')
  })
  await assert.rejects(simulated.runUntilQuiet(), /a bug/)
})

test('fails with a rejection that nobody handles', async () => {
  const simulated = new SimulatedClock()
  simulated.schedule(1, () => void Promise.reject(new Error('a forgotten promise')))
  await assert.rejects(simulated.runUntilQuiet(), /a forgotten promise/)
})

test('takes the death of a process for no failure, wherever it surfaces', async () => {
  const simulated = new SimulatedClock()
  const process = new SimulatedProcess()
  const clock = simulated.for(process)
  const forgotten = async (): Promise<void> => {
    await sleep(clock, 5)
    process.crash(new Error('broken'))
  }
  void forgotten()
  clock.setTimer(5, () => process.crash(new Error('broken twice')))
  clock.setTimer(5, () => queueMicrotask(() => clock.now()))
  await simulated.runUntilQuiet()
  assert.equal(process.reason?.message, 'broken')
})

test('refuses to be run twice at once', async () => {
  const simulated = new SimulatedClock()
  const first = simulated.runUntilQuiet()
  await assert.rejects(simulated.runUntilQuiet(), /already/)
  await first
})

test('a process that sleeps does nothing, its timers wait on, and the wall clock does not', async () => {
  const simulated = new SimulatedClock()
  const process = new SimulatedProcess()
  const clock = simulated.for(process)
  const fired: string[] = []
  const note = (what: string) => () =>
    void fired.push(`${what} at ${simulated.monotonicMs()}, own ${clock.monotonicMs()}`)
  clock.setTimer(100, note('timer'))
  simulated.schedule(500, note('frame'), process)
  simulated.schedule(50, () => simulated.sleep(process, 1_000))
  simulated.schedule(2_000, () => simulated.sleep(process, 1_000))
  clock.setTimer(1_500, note('later'))
  const startMs = clock.now()
  await simulated.runUntilQuiet()
  assert.deepEqual(fired, ['frame at 1050, own 50', 'timer at 1100, own 100', 'later at 3500, own 1500'])
  assert.equal(clock.now() - startMs, 3_500)
})

test('where the monotonic clock goes on, timers are late, and one that is cancelled never fires', async () => {
  const simulated = new SimulatedClock()
  const process = new SimulatedProcess()
  const clock = simulated.for(process)
  const fired: number[] = []
  clock.setTimer(100, () => void fired.push(clock.monotonicMs()))
  const cancelled = clock.setTimer(100, () => void fired.push(NaN))
  simulated.schedule(50, () => simulated.sleep(process, 1_000, { monotonicGoesOn: true }))
  simulated.schedule(600, () => cancelled.cancel())
  await simulated.runUntilQuiet()
  assert.deepEqual(fired, [1_050])
})
