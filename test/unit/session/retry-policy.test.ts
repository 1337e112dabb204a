import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RetryPolicy, type RetryLimits } from '../../../src/session/retry-policy.ts'

/** A policy on a clock that the test moves, with the longest delays that it may draw. */
function policy(
  limits: Partial<RetryLimits> = {},
  fraction = 1,
): { retry: RetryPolicy; pass: (ms: number) => void } {
  let nowMs = 1_000
  const clock = { monotonicMs: () => nowMs }
  const retry = new RetryPolicy({ clock, random: { fraction: () => fraction }, limits })
  return { retry, pass: (ms) => void (nowMs += ms) }
}

test('delays grow from attempt to attempt', () => {
  const { retry } = policy()
  const delays = [1, 2, 3, 4].map(() => retry.failed().delayMs)
  assert.deepEqual(delays, [1_000, 2_250, 4_250, 8_250])
  assert.equal(retry.attempts, 4)
})

test('they begin anew after a connection that has lasted 30 s, and after no shorter one', () => {
  const { retry, pass } = policy()
  retry.failed()
  retry.failed()
  retry.online()
  pass(29_999)
  assert.equal(retry.offline(), false)
  assert.equal(retry.failed().delayMs, 4_250)
  retry.online()
  pass(30_000)
  assert.equal(retry.offline(), true)
  assert.equal(retry.failed().delayMs, 1_000)
  // Time that it is offline is no time that a connection lasted.
  pass(60_000)
  assert.equal(retry.offline(), false)
  assert.equal(retry.failed().delayMs, 2_250)
})

test('after two minutes without a connection it is suspended, and not before', () => {
  const { retry, pass } = policy()
  assert.equal(retry.failed().state, 'backing-off')
  pass(119_999)
  assert.equal(retry.failed().state, 'backing-off')
  pass(1)
  assert.deepEqual(retry.failed(), { state: 'suspended', delayMs: 30_000 })
  retry.online()
  retry.offline()
  assert.equal(retry.failed().state, 'backing-off')
})

test('after the last attempt there is none', () => {
  const { retry, pass } = policy({ attemptsMax: 2 })
  assert.notEqual(retry.failed().delayMs, undefined)
  assert.notEqual(retry.failed().delayMs, undefined)
  assert.deepEqual(retry.failed(), { state: 'suspended', delayMs: undefined })
  assert.equal(retry.attempts, 2)
  pass(10_000)
  assert.equal(retry.occasion(0)?.delayMs, 1_000)
  assert.equal(retry.failed().state, 'backing-off')
  assert.equal(retry.failed().state, 'backing-off')
  assert.equal(retry.failed().state, 'suspended')
  assert.deepEqual(retry.asked(), { state: 'backing-off', delayMs: 0 })
  assert.equal(retry.failed().delayMs, 1_000)
})

test('with none allowed it stays away after the first failure', () => {
  assert.equal(policy({ attemptsMax: 0 }).retry.failed().delayMs, undefined)
})

test('what a server asked for is a lower bound, and no upper one', () => {
  const { retry } = policy({}, 0)
  assert.equal(retry.failed(5_000).delayMs, 5_000)
  const long = policy()
  for (let attempt = 0; attempt < 8; attempt++) long.retry.failed()
  assert.equal(long.retry.failed(1_000).delayMs, 20_250)
})

test('it is waited for over a changed network too, and not when somebody asks', () => {
  const { retry, pass } = policy({}, 0)
  retry.failed(60_000)
  pass(10_000)
  assert.equal(retry.occasion(0)?.delayMs, 50_000)
  assert.equal(retry.asked().delayMs, 0)
  assert.equal(retry.occasion(0)?.delayMs, 0)
})

test('time asleep counts as waited', () => {
  const { retry } = policy({}, 0)
  retry.failed(60_000)
  assert.equal(retry.occasion(45_000)?.delayMs, 15_000)
  assert.equal(retry.occasion(3_600_000)?.delayMs, 0)
})

test('being online ends what a server asked for', () => {
  const { retry } = policy({}, 0)
  retry.failed(60_000)
  retry.online()
  assert.equal(retry.occasion(0)?.delayMs, 0)
})

test('an occasion begins anew within a second, and out of suspension', () => {
  const { retry, pass } = policy()
  pass(300_000)
  assert.equal(retry.failed().state, 'suspended')
  assert.deepEqual(retry.occasion(0), { state: 'backing-off', delayMs: 1_000 })
  assert.deepEqual(retry.failed(), { state: 'backing-off', delayMs: 1_000 })
  assert.equal(policy({}, 0).retry.occasion(0)?.delayMs, 0)
})

test('a network that changes all the time is no occasion more than four times a minute', () => {
  const { retry, pass } = policy()
  const taken = Array.from({ length: 6 }, () => retry.occasion(0) !== undefined)
  assert.deepEqual(taken, [true, true, true, true, false, false])
  pass(15_001)
  assert.notEqual(retry.occasion(0), undefined)
  assert.equal(retry.occasion(0), undefined)
})

test('whoever has given up misses no occasion, and comes back to one too many when it would count', () => {
  const { retry, pass } = policy({ attemptsMax: 1 }, 0)
  const giveUp = (): void => {
    while (retry.failed().delayMs !== undefined);
  }
  giveUp()
  for (let count = 0; count < 4; count++) {
    assert.equal(retry.occasion(0)?.delayMs, 0)
    giveUp()
  }
  pass(5_000)
  const { state, delayMs = 0 } = retry.occasion(0) ?? {}
  assert.deepEqual([state, Math.round(delayMs)], ['backing-off', 10_000])
  // Now it has an attempt before it.
  assert.equal(retry.occasion(0), undefined)
})
