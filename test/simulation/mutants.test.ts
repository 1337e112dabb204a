import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storeMutants } from './mutants/store-mutants.ts'
import type { Mutant } from './mutants/swap.ts'
import { turnMutants } from './mutants/turn-mutants.ts'
import { runSeed } from './workload/run.ts'
import type { Violation } from './workload/world.ts'

const seedsMax = 150

for (const mutant of [...storeMutants, ...turnMutants]) {
  test(`is caught: an agent that ${mutant.name}`, async () => {
    const caught = await firstCatch(mutant)
    assert.ok(caught !== undefined, `${mutant.caughtBy.join(', ')}: not violated in ${seedsMax} seeds`)
  })
}

async function firstCatch({ caughtBy, faults, poison, swaps }: Mutant): Promise<Violation | undefined> {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const options = { swaps: swaps(), ...(faults && { faults }), ...(poison !== undefined && { poison }) }
    const { violations } = await runSeed(seed, options)
    const caught = violations.find(({ invariant }) => caughtBy.includes(invariant))
    if (caught !== undefined) return caught
  }
  return undefined
}
