import '../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runHubChaos } from './hub/run.ts'

// The same with 5,000 messages and 300 kills: npm run chaos.
test('agents and a hub that are killed, and put back to an earlier time, lose, repeat and reorder nothing', async () => {
  const report = await runHubChaos({ messages: 300, kills: 30, seed: 1, deadlineMs: 120_000 })
  assert.deepEqual(report.findings, [])
  const { duplicated, kept, kills, lost, reordered } = report
  assert.deepEqual(
    { kills, lost, duplicated, reordered, kept },
    { kills: 30, lost: 0, duplicated: 0, reordered: 0, kept: true },
  )
})
