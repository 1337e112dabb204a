import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSeededRandom } from '../../src/testing/random.ts'
import { Gauge } from './soak/gauges.ts'
import { emptyLedger, enter, judge, type Ledger } from './soak/ledger.ts'
import { slopeOf, type Series } from './soak/slope.ts'

// Who judges a soak must be able to find it wanting.

function ledgerOf(...numbers: readonly number[]): Ledger {
  const ledger = emptyLedger()
  for (const number of numbers) enter(ledger, 'input Ada-Bo', number)
  return ledger
}

function judgeOne(ledger: Ledger | undefined, count: number): object {
  const { lost, duplicated, reordered, findings } = judge(
    new Map([['Ada', new Map([['input Ada-Bo', count]])]]),
    new Map(ledger === undefined ? [] : [['Ada', ledger]]),
  )
  return { lost, duplicated, reordered, found: findings.length }
}

test('all in order, once each, is nothing to complain about', () => {
  assert.deepEqual(judgeOne(ledgerOf(1, 2, 3), 3), { lost: 0, duplicated: 0, reordered: 0, found: 0 })
  assert.deepEqual(judgeOne(undefined, 0), { lost: 0, duplicated: 0, reordered: 0, found: 0 })
})

test('what is missing is lost, in the middle and at the end, and so is everything of an agent without a state', () => {
  assert.deepEqual(judgeOne(ledgerOf(1, 3, 4), 5), { lost: 2, duplicated: 0, reordered: 0, found: 2 })
  assert.deepEqual(judgeOne(undefined, 3), { lost: 3, duplicated: 0, reordered: 0, found: 1 })
})

test('what comes twice is doubled, and what comes late is out of order and not lost', () => {
  assert.deepEqual(judgeOne(ledgerOf(1, 2, 2, 3), 3), { lost: 0, duplicated: 1, reordered: 0, found: 1 })
  assert.deepEqual(judgeOne(ledgerOf(1, 3, 2, 4), 4), { lost: 0, duplicated: 0, reordered: 1, found: 1 })
  assert.deepEqual(judgeOne(ledgerOf(1, 3, 2, 2), 3), { lost: 0, duplicated: 1, reordered: 1, found: 2 })
})

test('what nobody sent is found', () => {
  const ledger = ledgerOf(1)
  enter(ledger, 'passed Bo-Ada', 1)
  assert.deepEqual(judgeOne(ledger, 1), { lost: 0, duplicated: 0, reordered: 0, found: 1 })
  assert.deepEqual(judgeOne(ledgerOf(1, 2), 1), { lost: 0, duplicated: 0, reordered: 0, found: 1 })
})

/** A value every 5 s for `minutes`, with noise, outliers, and a jump at the start of the life. */
function life(minutes: number, perHour: number, seed: number, base: number): Series {
  const random = createSeededRandom(seed)
  return Array.from({ length: minutes * 12 }, (_, index) => {
    const noise = (random.fraction() - 0.5) * 4 + (random.chance(0.02) ? 50 : 0)
    return { at: index * 5, value: base + (perHour * index * 5) / 3_600 + noise }
  })
}

test('a slope is found in the noise of many lives, and none where there is none', () => {
  const flat = slopeOf([life(20, 0, 1, 80), life(15, 0, 2, 100), life(25, 0, 3, 90)], 60)
  assert.ok(flat !== undefined && flat.low < 0 && flat.high > 0, JSON.stringify(flat))
  const growing = slopeOf([life(20, 12, 1, 80), life(15, 12, 2, 100), life(25, 12, 3, 90)], 60)
  assert.ok(growing !== undefined && growing.low > 0, JSON.stringify(growing))
  const perHour = growing.slope * 3_600
  assert.ok(Math.abs(perHour - 12) < 3, `${perHour} an hour`)
  assert.ok(growing.low * 3_600 < 12 && growing.high * 3_600 > 12, JSON.stringify(growing))
})

test('of too little, no slope is told', () => {
  assert.equal(slopeOf([], 60), undefined)
  assert.equal(slopeOf([life(3, 100, 1, 80)], 60), undefined)
})

test('processor time is that of the settled parts of all lives', () => {
  const gauge = new Gauge()
  const sample = (at: number, cpuSeconds: number) => ({ at, cpuSeconds, rssMb: 1, descriptors: 1 })
  for (const [at, cpu] of [
    [0, 0],
    [5_000, 3],
    [10_000, 3.1],
  ] as const)
    gauge.add(1, sample(at, cpu))
  gauge.add(2, sample(20_000, 0))
  gauge.add(2, sample(25_000, 2))
  gauge.add(2, sample(35_000, 2.2))
  assert.equal(gauge.lives, 2)
  // 0.1 s in 5 s, and 0.2 s in 10 s.
  assert.ok(Math.abs((gauge.cpuPercent(5_000) ?? 0) - 2) < 1e-9)
  assert.equal(gauge.cpuPercent(60_000), undefined)
})
