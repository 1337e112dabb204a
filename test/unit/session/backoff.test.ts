import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoffMs } from '../../../src/session/backoff.ts'

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
