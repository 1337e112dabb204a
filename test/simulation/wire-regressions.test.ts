import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainWire } from './wire/explain.ts'
import { runWireSeed } from './wire/run.ts'

/** Seeds that failed once, each with what was wrong. */
const regressions = [
  {
    seed: 71_365,
    was: 'what a dead process had said late took the session from the next one, which ended itself',
  },
] as const

for (const { seed, was } of regressions) {
  test(`seed ${seed} stays whole: ${was}`, async () => {
    const result = await runWireSeed(seed)
    assert.ok(result.violations.length === 0, explainWire(result))
  })
}
