import '../../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reconnections, shortProfile } from './cases.ts'
import { assertKept, describeReport, throughProxies } from './network-world.ts'

test(`${reconnections.name}: nothing is lost, doubled or out of order, in one session`, async (t) => {
  const report = await throughProxies(shortProfile.options, (world) => reconnections.run(world, shortProfile))
  assertKept(report)
  assert.ok(report.onlines >= shortProfile.reconnections, `online ${report.onlines} times`)
  t.diagnostic(describeReport(report))
})
