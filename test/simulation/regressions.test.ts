import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AgentFaults } from '../../src/testing/index.ts'
import { explain } from './workload/explain.ts'
import { runSeed } from './workload/run.ts'

interface Regression {
  readonly seed: number
  readonly was: string
  /** Faults that it takes, instead of those that the seed draws. */
  readonly faults?: Partial<AgentFaults>
}

const readErrors = { deathsMax: 9, databaseLossRate: 0.6, disk: { readError: 0.05 } }
const fullDatabases = {
  powerCutRate: 0.5,
  deathsMax: 12,
  databaseLossRate: 0.5,
  databaseFullRate: 0.02,
  disk: { readError: 0.01, noSpace: 0.02 },
}
const fullDisks = { fullDisks: 6, deathsMax: 9, disk: {} }

/** What there was not when they failed: with it, they would be other runs. */
const asThen = { safeModeRate: 0, stopRate: 0, hurryRate: 0, stopDeathRate: 0 }

/** Seeds that failed once, each with what was wrong. */
const regressions: readonly Regression[] = [
  { seed: 8, faults: fullDisks, was: 'a start turn that could not be written was made again beside others' },
  { seed: 252, faults: fullDisks, was: 'the same, with a suspect that began meanwhile' },
  { seed: 236, faults: fullDisks, was: 'a suspect that could not be written was made again beside others' },
  { seed: 1_427, was: 'the same, with the faults that the seed draws' },
  {
    seed: 813,
    faults: fullDisks,
    was: 'a suspect that could not be written was begun while the agent stopped, and lost its suspicion',
  },
  { seed: 412, was: 'a suspect behind a dead letter that was tried again ran beside others' },
  {
    seed: 2_176,
    was: 'a cut without its manifest counted as a chain: the database lost just then, it never opened again',
  },
  { seed: 2_411, was: 'the same' },
  { seed: 104_290, was: 'a turn was blamed for deaths in the middle of a commit, on a full disk' },
  { seed: 3_113, was: 'the same' },
  {
    seed: 4,
    faults: readErrors,
    was: 'a manifest that could not be read for a moment counted as a cut that is damaged',
  },
  { seed: 93, faults: readErrors, was: 'the same' },
  {
    seed: 60_151,
    faults: fullDatabases,
    was: 'a parked effect came to its end while nothing could be written, and its turn stayed parked for ever',
  },
]

for (const { seed, was, faults } of regressions) {
  test(`seed ${seed}: ${was}`, async () => {
    const result = await runSeed(seed, { deploys: false, faults: { ...asThen, ...faults } })
    if (result.violations.length > 0) assert.fail(explain(result))
  })
}
