import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClockDoubt } from '../../../src/platform/clock-doubt.ts'

const hour = 3_600_000

/** A wall clock that may jump, over a monotonic one that does not. */
class Clocks {
  monotonic = 0
  jumped = 0

  now(): number {
    return 1_000_000_000 + this.monotonic + this.jumped
  }

  monotonicMs(): number {
    return this.monotonic
  }
}

test('a clock that jumps for more than an hour is doubted, and believed once it has held for a day', () => {
  const clocks = new Clocks()
  const doubt = new ClockDoubt(clocks)
  clocks.jumped = hour
  assert.equal(doubt.look(), undefined)
  clocks.jumped = 5 * hour
  assert.equal(doubt.look(), 5 * hour)
  assert.equal(doubt.look(), 5 * hour)
  clocks.monotonic += 24 * hour - 1
  assert.equal(doubt.look(), 5 * hour)
  clocks.monotonic += 1
  assert.equal(doubt.look(), undefined)
})

test('of a clock that goes on jumping that part is believed which has held for a day', () => {
  const clocks = new Clocks()
  const doubt = new ClockDoubt(clocks)
  clocks.jumped = 5 * hour
  doubt.look()
  clocks.monotonic += 23 * hour
  clocks.jumped = 9 * hour
  assert.equal(doubt.look(), 9 * hour)
  clocks.monotonic += hour
  assert.equal(doubt.look(), 4 * hour)
  clocks.monotonic += 24 * hour
  assert.equal(doubt.look(), undefined)
  // To the other side it begins anew.
  clocks.jumped = 20 * hour
  assert.equal(doubt.look(), 11 * hour)
  clocks.monotonic += 23 * hour
  clocks.jumped = 0
  assert.equal(doubt.look(), -9 * hour)
  clocks.monotonic += 23 * hour
  assert.equal(doubt.look(), -9 * hour)
})

test('a machine that sleeps every night does not fall behind for ever', () => {
  const clocks = new Clocks()
  const doubt = new ClockDoubt(clocks)
  for (let night = 0; night < 60; night++) {
    clocks.monotonic += 16 * hour
    doubt.look()
    clocks.jumped += 8 * hour
    doubt.look()
  }
  const lateMs = clocks.now() - doubt.earliest()
  // What it has slept within two days of being awake.
  assert.ok(lateMs > 0 && lateMs <= 32 * hour, `${lateMs / hour} hours`)
})

test('by the earliest time nothing ends before it is over, whichever way the clock jumps', () => {
  for (const jumps of [
    [3 * hour, 0],
    [-3 * hour, 0],
    [-hour / 2, hour / 2],
    [0, 40 * 24 * hour],
  ]) {
    const clocks = new Clocks()
    const doubt = new ClockDoubt(clocks)
    clocks.jumped = jumps[0] as number
    const endsAt = doubt.latest() + 60_000
    clocks.jumped = jumps[1] as number
    clocks.monotonic += 59_999
    assert.ok(doubt.earliest() < endsAt, `jumps ${jumps.join(', ')}`)
  }
})

test('while the clock does not jump, both times are its own', () => {
  const clocks = new Clocks()
  const doubt = new ClockDoubt(clocks)
  clocks.monotonic = 12_345
  assert.deepEqual([doubt.earliest(), doubt.latest()], [clocks.now(), clocks.now()])
})
