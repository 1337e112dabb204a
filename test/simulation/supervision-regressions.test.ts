import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainSupervision } from './supervision/explain.ts'
import { runSupervisionSeed } from './supervision/run.ts'

/** Seeds beyond those of the shards that failed once. */
const seeds = [
  1_537, 2_678, 2_812, 2_920, 2_935, 3_154, 3_281, 3_484, 3_526, 3_903, 51_282, 51_336, 90_007, 240_031,
]

for (const seed of seeds) {
  test(`seed ${seed} of the supervision does not fail again`, async () => {
    const result = await runSupervisionSeed(seed)
    if (result.violations.length > 0) assert.fail(explainSupervision(result))
  })
}
