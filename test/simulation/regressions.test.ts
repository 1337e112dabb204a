import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explain } from './workload/explain.ts'
import { runSeed } from './workload/run.ts'

/** Seeds that failed once, each with what was wrong. */
const regressions: readonly { readonly seed: number; readonly was: string }[] = [
  { seed: 880, was: 'a suspect whose attempt could not be written ran again although the agent was stopping, and was cleared' },
  { seed: 1_864, was: 'a start turn that could not be written was made again beside others' },
  { seed: 1_887, was: 'a suspect that could not be written was made again beside others' },
  { seed: 2_176, was: 'a cut without a manifest counted as a chain: the database lost at that moment, it never opened again' },
  { seed: 2_411, was: 'the same, with a power cut in between' },
  { seed: 3_664, was: 'a manifest that could not be read for a moment counted as a cut that is damaged' },
  { seed: 10_145, was: 'the database was lost between the first cut and the first segment' },
]

for (const { seed, was } of regressions) {
  test(`seed ${seed}: ${was}`, async () => {
    const result = await runSeed(seed)
    if (result.violations.length > 0) assert.fail(explain(result))
  })
}
