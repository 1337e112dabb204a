import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RetryBudget } from '../../../src/platform/retry-budget.ts'

test('pays for 100 retries on end, and then for none', () => {
  const budget = new RetryBudget()
  for (let retry = 0; retry < 100; retry++) assert.ok(budget.take('failure'))
  assert.equal(budget.left, 0)
  assert.ok(!budget.take('failure'))
  assert.match(budget.note, /retry budget is empty/)
})

test('takes twice as much after a time-out', () => {
  const budget = new RetryBudget()
  for (let retry = 0; retry < 50; retry++) {
    assert.equal(budget.note, '')
    assert.ok(budget.take('timeout'))
  }
  assert.ok(!budget.take('timeout'))
})

test('gets back a little with each success, and never more than it had', () => {
  const budget = new RetryBudget()
  budget.succeeded()
  assert.equal(budget.left, 500)
  while (budget.take('failure'));
  for (let success = 0; success < 4; success++) budget.succeeded()
  assert.ok(!budget.take('failure'))
  budget.succeeded()
  assert.ok(!budget.take('timeout'))
  assert.ok(budget.take('failure'))
})
