import assert from 'node:assert/strict'
import { test } from 'node:test'
import { progressOf, type ProgressFacts } from '../../../src/agent/progress.ts'

function stalledMs(facts: Partial<ProgressFacts>): number {
  return progressOf({ turns: [], waiting: 0, overdueMs: 0, movedMs: 0, nowMs: 200_000, ...facts }).stalledMs
}

const turn = (forMs: number): ProgressFacts['turns'][number] => ({ turn: 1, attempt: 1, forMs })

test('work that could be done, while nothing runs and nothing moves, is stalled for as long as that', () => {
  assert.equal(stalledMs({ waiting: 1 }), 200_000)
  assert.equal(stalledMs({ waiting: 3, movedMs: 199_000 }), 1_000)
})

test('an agent with nothing to do is not stalled, however long nothing has moved', () => {
  assert.equal(stalledMs({}), 0)
})

test('a turn of half an hour is work, whatever waits beside it', () => {
  assert.equal(stalledMs({ turns: [turn(1_800_000)], waiting: 5 }), 0)
})

test('what waits to be tried again is stalled only from when it was due', () => {
  assert.equal(stalledMs({ overdueMs: 500 }), 500)
  assert.equal(stalledMs({ overdueMs: 900_000, movedMs: 150_000 }), 50_000)
})

test('a clock that stood still makes nothing negative', () => {
  assert.equal(stalledMs({ waiting: 1, movedMs: 300_000 }), 0)
})
