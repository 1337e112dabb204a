import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainWire } from '../wire/explain.ts'
import { runWireSeed, type WireSeedOptions } from '../wire/run.ts'
import type { WireMutant } from './wire-mutants.ts'

const seedsMax = 100

/** One test for each: that it is caught, and that what it is made from is not. */
export function testMutants(mutants: readonly WireMutant[]): void {
  for (const mutant of mutants) {
    test(`is caught: ${mutant.name}`, async () => {
      const seed = await findSeed(mutant)
      assert.ok(seed !== undefined, `${mutant.caughtBy.join(', ')}: not violated in ${seedsMax} seeds`)
      // The same seed with nothing swapped: what was caught is the mutant, and not its mishaps.
      const whole = await runWireSeed(seed, mishapsOf(mutant))
      assert.ok(whole.violations.length === 0, explainWire(whole))
    })
  }
}

/** The first seed in which one of the invariants that are to catch it is violated. */
async function findSeed(mutant: WireMutant): Promise<number | undefined> {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const { violations } = await runWireSeed(seed, { ...mishapsOf(mutant), swaps: mutant.swaps() })
    if (violations.some(({ invariant }) => mutant.caughtBy.includes(invariant))) return seed
  }
  return undefined
}

function mishapsOf({ mishaps }: WireMutant): WireSeedOptions {
  return mishaps === undefined ? {} : { mishaps }
}
