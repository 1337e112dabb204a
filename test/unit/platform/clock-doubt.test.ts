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
  assert.deepEqual(doubt.look(), { jumpedMs: 5 * hour, isNew: true })
  assert.deepEqual(doubt.look(), { jumpedMs: 5 * hour, isNew: false })
  clocks.monotonic += 24 * hour - 1
  assert.deepEqual(doubt.look(), { jumpedMs: 5 * hour, isNew: false })
  clocks.monotonic += 1
  assert.equal(doubt.look(), undefined)
})

test('a clock that goes on jumping is doubted anew', () => {
  const clocks = new Clocks()
  const doubt = new ClockDoubt(clocks)
  clocks.jumped = 5 * hour
  doubt.look()
  clocks.monotonic += 23 * hour
  clocks.jumped = 9 * hour
  assert.deepEqual(doubt.look(), { jumpedMs: 9 * hour, isNew: true })
  clocks.monotonic += 23 * hour
  assert.deepEqual(doubt.look(), { jumpedMs: 9 * hour, isNew: false })
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
