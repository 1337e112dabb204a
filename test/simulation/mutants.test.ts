import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storeMutants } from './mutants/store-mutants.ts'
import type { Mutant } from './mutants/swap.ts'
import { turnMutants } from './mutants/turn-mutants.ts'
import { explain } from './workload/explain.ts'
import { runSeed, type SeedOptions } from './workload/run.ts'

const seedsMax = 150

for (const mutant of [...storeMutants, ...turnMutants]) {
  test(`is caught: an agent that ${mutant.name}`, async () => {
    const seed = await findSeed(mutant)
    assert.ok(seed !== undefined, `${mutant.caughtBy.join(', ')}: not violated in ${seedsMax} seeds`)
    // The same seed with nothing swapped: what was caught is the mutant, and not its faults.
    const whole = await runSeed(seed, faultsOf(mutant))
    assert.ok(whole.violations.length === 0, explain(whole))
  })
}

/** The first seed in which one of the invariants that are to catch it is violated. */
async function findSeed(mutant: Mutant): Promise<number | undefined> {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const { violations } = await runSeed(seed, { ...faultsOf(mutant), swaps: mutant.swaps() })
    if (violations.some(({ invariant }) => mutant.caughtBy.includes(invariant))) return seed
  }
  return undefined
}

function faultsOf({ faults, poison }: Mutant): SeedOptions {
  return { ...(faults && { faults }), ...(poison !== undefined && { poison }) }
}
