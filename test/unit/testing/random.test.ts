import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSeededRandom } from '../../../src/testing/index.ts'

const draws = (random: { fraction(): number }, count = 20): number[] =>
  Array.from({ length: count }, () => random.fraction())

test('draws the same from the same seed', () => {
  assert.deepEqual(draws(createSeededRandom(42)), draws(createSeededRandom(42)))
  assert.deepEqual(createSeededRandom('x').bytes(64), createSeededRandom('x').bytes(64))
  assert.equal(createSeededRandom(7).uuid(), createSeededRandom(7).uuid())
})

test('keeps its numbers from release to release, so that a failing seed stays one', () => {
  const random = createSeededRandom(1)
  assert.deepEqual(
    [random.int(0, 1e9), random.int(0, 1e9), random.uuid()],
    [901_000_750, 936_648_490, '52043ca3-866c-4fef-b458-f7ee39d56a71'],
  )
})

test('draws differently from neighbouring seeds', () => {
  const firsts = new Set(Array.from({ length: 1_000 }, (_, seed) => createSeededRandom(seed).fraction()))
  assert.equal(firsts.size, 1_000)
})

test('gives a fork that does not depend on what was drawn before', () => {
  const early = createSeededRandom(1)
  const late = createSeededRandom(1)
  draws(late, 100)
  assert.deepEqual(draws(early.fork('disk')), draws(late.fork('disk')))
})

test('gives different numbers under each label, and under the same label again', () => {
  const random = createSeededRandom(1)
  const forks = [
    random.fork('disk'),
    random.fork('network'),
    random.fork('disk'),
    random.fork('disk').fork('disk'),
  ]
  assert.deepEqual(
    forks.map((fork) => fork.name),
    ['1/disk', '1/network', '1/disk#2', '1/disk#3/disk'],
  )
  assert.equal(new Set(forks.map((fork) => fork.fraction())).size, 4)
})

test('draws uniformly', () => {
  const random = createSeededRandom('uniform')
  const buckets = Array.from({ length: 10 }, () => 0)
  for (let count = 0; count < 100_000; count += 1) buckets[random.int(0, 9)]! += 1
  for (const count of buckets) assert.ok(Math.abs(count - 10_000) < 500, buckets.join())
  const hits = Array.from({ length: 100_000 }, () => random.chance(0.01)).filter(Boolean).length
  assert.ok(hits > 800 && hits < 1_200, `${hits}`)
})

test('is certain where the probability is', () => {
  const random = createSeededRandom(1)
  assert.ok(draws(random, 100).every(() => random.chance(1) && !random.chance(0)))
})

test('draws integers within both bounds', () => {
  const random = createSeededRandom(1)
  const seen = new Set(Array.from({ length: 200 }, () => random.int(-1, 1)))
  assert.deepEqual(
    [-1, 0, 1].map((value) => seen.has(value)),
    [true, true, true],
  )
  assert.equal(seen.size, 3)
  assert.equal(random.int(5, 5), 5)
  assert.throws(() => random.int(2, 1), RangeError)
})

test('picks and shuffles without losing anything', () => {
  const random = createSeededRandom(1)
  const values = Array.from({ length: 50 }, (_, index) => index)
  assert.deepEqual(
    random.shuffle(values).toSorted((one, other) => one - other),
    values,
  )
  assert.notDeepEqual(random.shuffle(values), values)
  assert.ok(values.includes(random.pick(values)))
  assert.throws(() => random.pick([]), RangeError)
})

test('gives UUIDs of version 4', () => {
  const random = createSeededRandom(1)
  for (let count = 0; count < 100; count += 1) {
    assert.match(random.uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  }
})
