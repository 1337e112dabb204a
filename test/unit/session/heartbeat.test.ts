import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Heartbeat } from '../../../src/session/heartbeat.ts'
import { SimulatedClock, SimulatedProcess } from '../../../src/testing/index.ts'

/** A heartbeat, and a peer that answers while `answers` is true, after 40 ms. */
function beating(options: { heartbeatMs?: number; first?: number } = {}) {
  const clock = new SimulatedClock()
  const process = new SimulatedProcess()
  const world = {
    clock,
    process,
    pings: [] as number[],
    silence: '',
    answers: true,
    theirAheadMs: 0,
    beat: undefined as never as Heartbeat,
  }
  world.beat = new Heartbeat({
    clock: clock.for(process),
    random: { fraction: () => options.first ?? 0.5 },
    heartbeatMs: options.heartbeatMs ?? 10_000,
    silenceMs: 30_000,
    ping: (sentMs) => {
      world.pings.push(Math.round(clock.monotonicMs()))
      if (!world.answers) return
      const answer = (): void => {
        world.beat.heard()
        world.beat.pong(sentMs, new Date(clock.now() + world.theirAheadMs - 20).toISOString())
      }
      clock.schedule(40, answer, process)
    },
    onSilence: (reason) => (world.silence = reason),
  })
  return world
}

test('the first ping is at a random moment, the others after a time without frames', async () => {
  const world = beating()
  await world.clock.runFor(26_000)
  assert.deepEqual(world.pings, [5_000, 15_000, 25_000])
  world.beat.stop()
  await world.clock.runFor(60_000)
  assert.equal(world.pings.length, 3)
})

test('frames in both directions take the place of pings, which then measure, and no more', async () => {
  const world = beating()
  for (let second = 0; second < 130; second++) {
    world.beat.heard()
    world.beat.sent()
    await world.clock.runFor(1_000)
  }
  assert.deepEqual(world.pings, [5_000, 65_000, 125_000])
  world.beat.stop()
})

test('what is only heard, or only sent, is no conversation', async () => {
  for (const act of ['heard', 'sent'] as const) {
    const world = beating()
    for (let second = 0; second < 20; second++) {
      world.beat[act]()
      await world.clock.runFor(1_000)
    }
    assert.deepEqual(world.pings, [5_000, act === 'heard' ? 15_000 : 15_040], act)
    world.beat.stop()
  }
})

test('says how long ago the other side was heard, whatever was sent', async () => {
  const world = beating({ first: 1 })
  await world.clock.runFor(3_000)
  assert.equal(world.beat.measured.heardAgoMs, 3_000)
  world.beat.sent()
  assert.equal(world.beat.measured.heardAgoMs, 3_000)
  world.beat.heard()
  assert.equal(world.beat.measured.heardAgoMs, 0)
  world.beat.stop()
})

test('round trip and skew are measured, the skew at half of the way', async () => {
  const world = beating()
  assert.equal(world.beat.measured.roundTripMs, undefined)
  world.theirAheadMs = 5_000
  await world.clock.runFor(6_000)
  const { roundTripMs, clockSkewMs } = world.beat.measured
  assert.deepEqual([roundTripMs, clockSkewMs], [40, 5_000])
  world.theirAheadMs = -3_600_000
  await world.clock.runFor(10_000)
  assert.equal(world.beat.measured.clockSkewMs, -3_600_000)
  world.beat.stop()
})

test('an answer to another ping, or one with no clock, measures nothing of what it does not say', async () => {
  const world = beating()
  world.answers = false
  await world.clock.runFor(5_500)
  world.beat.pong(1)
  assert.equal(world.beat.measured.roundTripMs, undefined)
  world.beat.pong(5_000, 'yesterday')
  const { roundTripMs, clockSkewMs } = world.beat.measured
  assert.deepEqual([roundTripMs, clockSkewMs], [500, undefined])
  world.beat.stop()
})

test('a peer that is gone is noticed within 30 s, behind unanswered pings', async () => {
  const world = beating()
  await world.clock.runFor(7_000)
  world.answers = false
  // The last frame came at 5,040.
  await world.clock.runFor(28_000)
  assert.equal(world.silence, '')
  assert.deepEqual(world.pings, [5_000, 15_000, 25_000, 35_000])
  await world.clock.runFor(100)
  assert.match(world.silence, /nothing was heard for 30.0s/)
})

test('with a slow heartbeat silence is noticed as early, and nobody is given up who was not asked', async () => {
  const world = beating({ heartbeatMs: 300_000, first: 0.5 })
  world.answers = false
  await world.clock.runFor(10_000)
  world.beat.heard()
  await world.clock.runFor(29_900)
  assert.deepEqual([world.pings, world.silence], [[35_000], ''])
  await world.clock.runFor(200)
  assert.match(world.silence, /nothing was heard for 30.0s/)
})

test('a hub that speaks by itself is not asked more often than the heartbeat says', async () => {
  const world = beating({ heartbeatMs: 300_000, first: 0.5 })
  for (let second = 0; second < 600; second += 10) {
    world.beat.heard()
    await world.clock.runFor(10_000)
  }
  assert.deepEqual(world.pings, [150_000, 450_000])
  world.beat.stop()
})

test('a probe must be answered itself, within 5 s', async () => {
  const world = beating()
  await world.clock.runFor(6_000)
  world.beat.probe('a change of the network')
  await world.clock.runFor(10)
  assert.equal(world.pings.at(-1), 6_000)
  await world.clock.runFor(8_000)
  assert.equal(world.silence, '')
  world.answers = false
  world.beat.probe('a change of the network')
  // Frames that were on their way before prove nothing.
  for (let n = 0; n < 4; n++) {
    world.beat.heard()
    await world.clock.runFor(1_000)
  }
  assert.equal(world.silence, '')
  await world.clock.runFor(1_000)
  assert.equal(world.silence, 'no answer within 5.0s after a change of the network')
})

for (const monotonicGoesOn of [false, true]) {
  test(`after an hour ${monotonicGoesOn ? 'stopped' : 'asleep'} the peer gets a chance to answer`, async () => {
    const world = beating()
    await world.clock.runFor(17_000)
    world.clock.sleep(world.process, 3_600_000, { monotonicGoesOn })
    await world.clock.runFor(3_700_000)
    assert.equal(world.silence, '')
    world.beat.stop()
  })

  test(`after an hour ${monotonicGoesOn ? 'stopped' : 'asleep'} a peer that is gone is noticed`, async () => {
    const world = beating()
    await world.clock.runFor(12_000)
    world.answers = false
    await world.clock.runFor(5_000)
    world.clock.sleep(world.process, 3_600_000, { monotonicGoesOn })
    await world.clock.runFor(3_600_000)
    assert.equal(world.silence, '')
    await world.clock.runFor(30_000)
    assert.match(world.silence, /nothing was heard/)
  })
}

test('a second probe while the first is out is a probe of its own', async () => {
  const world = beating()
  world.answers = false
  world.beat.probe('one thing')
  await world.clock.runFor(3_000)
  world.beat.probe('another')
  world.beat.heard()
  // The answer to the first proves nothing about what has happened since.
  world.beat.pong(0)
  await world.clock.runFor(4_900)
  assert.equal(world.silence, '')
  await world.clock.runFor(200)
  assert.equal(world.silence, 'no answer within 5.0s after another')
})
