import '../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runChaos } from './chaos.ts'

// The same with 2,000 inputs and 200 kills: npm run chaos.
test('an agent that is killed fifteen times loses, repeats and reorders nothing', async () => {
  const report = await runChaos({ messages: 150, kills: 15, seed: 1, deadlineMs: 120_000 })
  assert.deepEqual(report.findings, [])
  const { acknowledged, duplicated, kept, kills, lost, reordered, stateDifferences, stepsRepeated } = report
  assert.deepEqual(
    { acknowledged, kills, lost, duplicated, reordered, stateDifferences, stepsRepeated, kept },
    {
      acknowledged: 150,
      kills: 15,
      lost: 0,
      duplicated: 0,
      reordered: 0,
      stateDifferences: 0,
      stepsRepeated: 0,
      kept: true,
    },
  )
})
