import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SlidingWindow } from '../../../src/health/sliding-window.ts'
import { slopeOf } from '../../../src/health/slope.ts'
import { Windows } from '../../../src/health/windows.ts'
import { createSeededRandom } from '../../../src/testing/index.ts'
import { healthSettings, sampleOf, servedAtRest } from './health-world.ts'

const settings = healthSettings()
const { process } = sampleOf(0)
const work = { ready: 0, running: 0, done: 0, failed: 0, delivered: 0, undelivered: 0 }

test('a window keeps at most 61 points, and covers what it should', () => {
  const window = new SlidingWindow<number>()
  for (let atMs = 0; atMs <= 3_600_000; atMs += 1_000) {
    window.add(atMs, atMs, 300_000)
    assert.ok(window.points.length <= 62)
    const oldest = window.oldest?.atMs ?? 0
    assert.ok(atMs < 300_000 ? oldest === 0 : atMs - oldest >= 295_000 && atMs - oldest <= 310_000)
  }
})

test('the error rate is that of the window: what came before does not count, too few say nothing', () => {
  const windows = new Windows()
  const at = (atMs: number, done: number, failed: number) =>
    windows.add(sampleOf(atMs, { work: { ...work, done, failed } }), settings).errorRate
  assert.equal(at(0, 0, 0), undefined)
  assert.equal(at(60_000, 4, 5), undefined)
  assert.equal(at(120_000, 5, 5), 0.5)
  assert.equal(at(180_000, 95, 5), 0.05)
  assert.equal(at(240_000, 95, 5), 0.05)
  // Ten minutes later all of that is over.
  assert.equal(at(840_000, 95, 5), undefined)
  assert.equal(at(845_000, 95, 25), 1)
})

test('the delivery rate counts what has an outcome', () => {
  const windows = new Windows()
  const at = (atMs: number, delivered: number, undelivered: number) =>
    windows.add(sampleOf(atMs, { work: { ...work, delivered, undelivered } }), settings).deliveryRate
  at(0, 100, 100)
  assert.equal(at(5_000, 109, 100), undefined)
  assert.equal(at(10_000, 109, 101), 0.9)
})

test('of a hub, the error rate is of what it was asked for, and it delivers nothing itself', () => {
  const windows = new Windows()
  const at = (atMs: number, done: number, failed: number) =>
    windows.add(sampleOf(atMs, { work: undefined, server: { ...servedAtRest, done, failed } }), settings)
  at(0, 100, 100)
  assert.equal(at(5_000, 115, 105).errorRate, 0.25)
  assert.equal(at(10_000, 115, 105).deliveryRate, undefined)
})

test('a hub turns away for as long as each sample finds somebody who was', () => {
  const windows = new Windows()
  const at = (atMs: number, turnedAway: number) =>
    windows.add(sampleOf(atMs, { work: undefined, server: { ...servedAtRest, turnedAway } }), settings)
      .turnedAwayMs
  assert.deepEqual([at(0, 0), at(5_000, 3), at(10_000, 4), at(15_000, 9)], [0, 0, 5_000, 10_000])
  assert.deepEqual([at(20_000, 9), at(25_000, 10), at(30_000, 11)], [0, 0, 5_000])
})

test('the processor time is a part of a core over the last minute', () => {
  const windows = new Windows()
  const at = (atMs: number, cpuMs: number) =>
    windows.add(sampleOf(atMs, { process: { ...process, cpuMs } }), settings).cpu
  for (let second = 0; second < 50; second += 5) assert.equal(at(second * 1_000, second * 1_000), undefined)
  assert.equal(at(60_000, 60_000), 1)
  for (let second = 65; second < 120; second += 5) at(second * 1_000, 60_000)
  assert.equal(at(120_000, 60_000), 0)
})

test('it is stalled while each sample finds work, nothing that runs, and nothing done since', () => {
  const windows = new Windows()
  const at = (atMs: number, own: Partial<typeof work>) =>
    windows.add(sampleOf(atMs, { work: { ...work, ...own } }), settings).stalledMs
  // After an hour of rest, work of a moment ago is no stall.
  at(0, {})
  assert.equal(at(3_600_000, { ready: 1 }), 0)
  assert.equal(at(3_605_000, { ready: 1 }), 5_000)
  assert.equal(at(3_610_000, { ready: 3 }), 10_000)
  assert.equal(at(3_615_000, { ready: 2, done: 1 }), 0)
  assert.equal(at(3_620_000, { ready: 2, done: 1 }), 0)
  assert.equal(at(3_625_000, { ready: 2, done: 1 }), 5_000)
  // A turn that runs for half an hour is work, whatever waits behind it.
  assert.equal(at(3_630_000, { ready: 9, running: 1, done: 1 }), 0)
  assert.equal(at(5_430_000, { ready: 9, running: 1, done: 1 }), 0)
  assert.equal(at(5_435_000, { ready: 0, done: 1 }), 0)
})

test('the slope is that of the series, whatever a fifth of its points are', () => {
  const random = createSeededRandom(7)
  for (let round = 0; round < 50; round++) {
    const slope = (random.fraction() - 0.5) * 1_000
    const points = Array.from({ length: 60 }, (_, index) => ({
      atMs: index * 60_000,
      value: 6e7 + slope * index * 60_000 + (random.fraction() < 0.2 ? random.fraction() * 1e11 : 0),
    }))
    const found = slopeOf(points)
    assert.ok(Math.abs(found - slope) <= Math.abs(slope) * 0.6 + 1e-6, `${found} for ${slope}`)
  }
  assert.equal(slopeOf([]), 0)
  assert.equal(slopeOf([{ atMs: 1, value: 1 }]), 0)
})

test('a leak is found, noise is none, and nothing is said before the window is full', () => {
  const random = createSeededRandom(11)
  for (const [leakBytes, isLeak] of [
    [0, false],
    [100 * 2 ** 20, true],
  ] as const) {
    const windows = new Windows()
    let growth: number | undefined
    for (let atMs = 0; atMs <= 7_200_000; atMs += 5_000) {
      // A saw of 20 MB, as collections make it.
      const rssBytes = 6e7 + (leakBytes * atMs) / 3_600_000 + random.fraction() * 2e7
      growth = windows.add(sampleOf(atMs, { process: { ...process, rssBytes } }), settings).memoryGrowthBytes
      if (atMs < 3_200_000) assert.equal(growth, undefined)
    }
    assert.equal((growth ?? 0) >= settings.memoryGrowthDegradedBytes, isLeak, `${growth}`)
  }
})
