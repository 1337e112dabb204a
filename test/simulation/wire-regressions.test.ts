import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainWire } from './wire/explain.ts'
import { noUnrest } from './wire/mishaps.ts'
import { runWireSeed } from './wire/run.ts'

/** Seeds that failed once, each with what was wrong, and without what has been added to the mishaps since. */
const regressions = [
  {
    seed: 71_365,
    mishaps: noUnrest,
    was: 'what a dead process had said late took the session from the next one, which ended itself',
  },
  {
    seed: 1_055,
    mishaps: { operators: 25, accessTtlS: 60, thieves: 0, clones: 0 },
    was: 'the beat of a connection was due in a time too short to be added, so it beat for ever at one moment',
  },
  {
    seed: 1_092,
    mishaps: { operators: 25, accessTtlS: 60, thieves: 0, clones: 0 },
    was: 'the same of the next token of a connection',
  },
] as const

for (const { seed, mishaps, was } of regressions) {
  test(`seed ${seed} stays whole: ${was}`, async () => {
    const result = await runWireSeed(seed, { mishaps })
    assert.ok(result.violations.length === 0, explainWire(result))
  })
}
