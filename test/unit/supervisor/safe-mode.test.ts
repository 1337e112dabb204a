import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SafeMode } from '../../../src/supervisor/safe-mode.ts'
import { awaitsMending } from '../../../src/supervisor/child-state.ts'
import { arrange, type Arrangement } from '../../helpers/supervised.ts'

const minute = 60_000

function crash({ clock, last, supervised }: Arrangement, times: number): void {
  for (let crashed = 0; crashed < times; crashed += 1) {
    last().exit({ code: 1 })
    clock.advance(supervised.state.name === 'backing-off' ? supervised.state.delayMs : 0)
  }
}

function looping(hasSafeMode = true): Arrangement {
  const arranged = arrange({ hasSafeMode, beats: true })
  arranged.supervised.start()
  crash(arranged, 9)
  return arranged
}

test('the tenth failure in the window leads to safe mode', () => {
  const arranged = looping()
  assert.deepEqual(new Set(arranged.modes), new Set(['normal']))
  crash(arranged, 1)
  assert.equal(arranged.modes.at(-1), 'safe')
})

test('safe mode ends by itself, and the child is asked to end for that', () => {
  const arranged = looping()
  const { beatFor, clock, last, modes, reasons, supervised } = arranged
  crash(arranged, 1)
  last().ready()
  beatFor(minute - 2_000)
  assert.deepEqual(supervised.state, { ...supervised.state, name: 'running', mode: 'safe' })
  beatFor(3_000)
  assert.equal(supervised.state.name, 'restarting')
  last().exit({ code: 0 })
  clock.advance(0)
  assert.equal(modes.at(-1), 'normal')
  assert.equal(reasons.at(-1), 'safe-mode-over')
})

test('safe mode lasts twice as long each time it comes back, up to an hour', () => {
  const times = { safeModeFirstMs: minute, safeModeMaxMs: 60 * minute }
  const safeMode = new SafeMode()
  const durations = Array.from({ length: 9 }, () => {
    safeMode.enter(0, times)
    return (safeMode.period?.untilMs ?? 0) / minute
  })
  assert.deepEqual(durations, [1, 2, 4, 8, 16, 32, 60, 60, 60])
})

test('a child that dies in safe mode too comes back in it, slower and slower', () => {
  const arranged = looping()
  crash(arranged, 5)
  assert.deepEqual(new Set(arranged.modes.slice(-5)), new Set(['safe']))
  assert.equal(arranged.supervised.history.safeMode.level, 1)
})

test('somebody who says restart ends safe mode at once, and the level stays until the child has shown that it can do without', () => {
  const arranged = looping()
  const { clock, last, modes, supervised, beatFor } = arranged
  crash(arranged, 1)
  last().ready()
  supervised.restart()
  last().exit({ code: 0 })
  clock.advance(0)
  assert.equal(modes.at(-1), 'normal')
  assert.equal(supervised.history.safeMode.level, 1)
  last().ready()
  beatFor(2 * minute)
  assert.equal(supervised.history.safeMode.level, 0)
})

test('progress empties the window', () => {
  const arranged = looping()
  const { last, modes } = arranged
  last().ready()
  last().beat({ turnsDone: 1 })
  crash(arranged, 9)
  assert.deepEqual(new Set(modes), new Set(['normal']))
  crash(arranged, 1)
  assert.equal(modes.at(-1), 'safe')
})

test('as many failures in a row as fit no window lead to safe mode too', () => {
  const { clock, last, modes, supervised } = arrange({ hasSafeMode: true })
  supervised.start()
  for (let hang = 0; hang < 10; hang += 1) {
    clock.advance(200_000)
    last().exit({ code: 1 })
    clock.advance(30_000)
  }
  assert.equal(modes.at(-1), 'safe')
})

test('ends that were asked for are not counted', () => {
  const arranged = looping()
  const { clock, last, modes, supervised } = arranged
  for (let deployment = 0; deployment < 20; deployment += 1) {
    last().say({ kind: 'handover', withinMs: 1_000 })
    last().exit({ code: 0 })
    clock.advance(0)
  }
  assert.equal(modes.at(-1), 'normal')
  assert.equal(supervised.history.setbacksInARow, 9)
})

test('a child without a safe mode is tried slowly, until it has been stable', () => {
  const arranged = looping(false)
  const { beatFor, clock, last, modes, supervised } = arranged
  last().exit({ code: 1 })
  assert.deepEqual(supervised.state, {
    ...supervised.state,
    name: 'backing-off',
    delayMs: 22_500,
    crashLooping: true,
  })
  clock.advance(22_500)
  assert.deepEqual(new Set(modes), new Set(['normal']))
  last().ready()
  beatFor(30_000)
  last().exit({ code: 1 })
  assert.deepEqual(supervised.state, {
    ...supervised.state,
    name: 'backing-off',
    delayMs: 0,
    crashLooping: false,
  })
})

test('a changed definition helps what waits or goes on without its mind, and starts nothing that has ended', () => {
  const { supervised, clock, last } = arrange({ hasSafeMode: true, policyChanges: { failuresMax: 2 } })
  const awaits = (): boolean => awaitsMending(supervised.state, supervised.history.safeMode.isOn)
  supervised.start()
  last().ready()
  assert.equal(awaits(), false)
  for (let failure = 0; failure < 2; failure += 1) {
    last().exit({ code: 1 })
    assert.equal(awaits(), true)
    clock.advance(30_000)
  }
  last().ready()
  assert.deepEqual([supervised.history.safeMode.isOn, awaits()], [true, true])
  void supervised.stop()
  assert.deepEqual([supervised.state.name, awaits()], ['stopping', false])
  last().exit({ code: 0 })
  assert.deepEqual([supervised.state.name, awaits()], ['stopped', false])
  assert.equal(supervised.history.safeMode.isOn, true)
})
