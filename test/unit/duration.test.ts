import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatDuration, parseDuration } from '../../src/duration.ts'
import { code } from '../helpers/store-folder.ts'

const durations: Record<string, number> = {
  '0ms': 0,
  '500ms': 500,
  '30s': 30_000,
  '5m': 300_000,
  '24h': 86_400_000,
  '7d': 604_800_000,
  '1.5h': 5_400_000,
  '0.1ms': 0,
  ' 2s ': 2_000,
}

for (const [text, ms] of Object.entries(durations)) {
  test(`"${text}" is ${ms} ms`, () => assert.equal(parseDuration(text), ms))
}

test('a number is a number of milliseconds, rounded', () => {
  assert.deepEqual([0, 1, 2.4, 2.6].map(parseDuration), [0, 1, 2, 3])
})

for (const wrong of [
  '',
  '5',
  'soon',
  '5 m',
  '-5m',
  '5M',
  '5m5s',
  '1e3s',
  '.5s',
  'Infinityms',
  -1,
  NaN,
  Infinity,
]) {
  test(`${JSON.stringify(wrong)} is no duration`, () => {
    assert.throws(() => parseDuration(wrong), code('ERR_DURATION', /write 500ms, 30s, 5m, 24h or 7d/))
  })
}

const written: [ms: number, text: string][] = [
  [0, '0ms'],
  [999, '999ms'],
  [1_000, '1.0s'],
  [4_240, '4.2s'],
  [60_000, '1m'],
  [61_000, '1m 1s'],
  [11_520_000, '3h 12m'],
  [86_400_000, '1d'],
  [90_061_000, '1d 1h'],
]

for (const [ms, text] of written)
  test(`${ms} ms are written ${text}`, () => assert.equal(formatDuration(ms), text))

test('what rounds up to the next unit is written in it', () => {
  assert.deepEqual([999.7, 59_949, 59_990].map(formatDuration), ['1.0s', '59.9s', '1m'])
})
