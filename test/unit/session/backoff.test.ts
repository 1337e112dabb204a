import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoffMs, hintMs, suspendedMs } from '../../../src/session/backoff.ts'

const at = (fraction: number) => ({ fraction: () => fraction })

test('the first attempt is made within a second, later ones in a range that doubles up to 20 s', () => {
  const latest = [0, 1, 2, 3, 4, 5, 6, 100, 1_000_000].map((attempts) => backoffMs(attempts, at(1)))
  assert.deepEqual(latest, [1_000, 2_250, 4_250, 8_250, 16_250, 20_250, 20_250, 20_250, 20_250])
  const earliest = [0, 1, 5, 100].map((attempts) => backoffMs(attempts, at(0)))
  assert.deepEqual(earliest, [0, 250, 250, 250])
})

test('the jitter is of the whole range, at the bound too', () => {
  assert.equal(backoffMs(50, at(0.5)), 10_250)
})

test('another base changes the growth, and not the first attempt; one above the bound is the bound', () => {
  assert.deepEqual(
    [0, 1, 2, 9].map((attempts) => backoffMs(attempts, at(1), 100)),
    [1_000, 450, 650, 20_250],
  )
  assert.deepEqual(
    [0, 1, 9].map((attempts) => backoffMs(attempts, at(1), 60_000)),
    [1_000, 60_250, 60_250],
  )
})

test('suspended, it tries every 10 to 30 s, at random', () => {
  assert.deepEqual([suspendedMs(at(0)), suspendedMs(at(1))], [10_000, 30_000])
})

test('what a server asks for is waited for, with a jitter of a twentieth, and at most an hour', () => {
  assert.deepEqual([hintMs(0, at(0)), hintMs(0, at(1))], [0, 1_000])
  assert.deepEqual([hintMs(30_000, at(0)), hintMs(30_000, at(1))], [30_000, 31_500])
  assert.deepEqual([hintMs(1e12, at(0)), hintMs(1e12, at(1))], [3_600_000, 3_605_000])
  assert.equal(hintMs(-5, at(0)), 0)
})
