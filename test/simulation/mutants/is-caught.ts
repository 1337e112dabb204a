import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainWire } from '../wire/explain.ts'
import { runWireSeed } from '../wire/run.ts'
import type { WireMutant } from './wire-mutants.ts'

interface Judged {
  readonly violations: readonly { readonly invariant: string }[]
}

export interface Trial<Result extends Judged> {
  readonly name: string
  /** One of these is to be violated. */
  readonly caughtBy: readonly string[]
  readonly seedsMax: number
  /** Runs a seed with the faults that the mutant takes, and with the broken part in place where `isMutant`. */
  readonly run: (seed: number, isMutant: boolean) => Promise<Result>
  readonly explain: (result: Result) => string
}

/** A test that a mutant is caught, and that what it is made from is not. */
export function testCaught<Result extends Judged>(trial: Trial<Result>): void {
  const { name, caughtBy, seedsMax, run, explain } = trial
  test(`is caught: ${name}`, async () => {
    const seed = await findSeed(trial)
    assert.ok(seed !== undefined, `${caughtBy.join(', ')}: not violated in ${seedsMax} seeds`)
    // The same seed with nothing swapped: what was caught is the mutant, and not its mishaps.
    const whole = await run(seed, false)
    assert.ok(whole.violations.length === 0, explain(whole))
  })
}

/** The first seed in which one of the invariants that are to catch it is violated. */
async function findSeed({
  caughtBy,
  seedsMax,
  run,
}: Omit<Trial<Judged>, 'explain'>): Promise<number | undefined> {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const { violations } = await run(seed, true)
    if (violations.some(({ invariant }) => caughtBy.includes(invariant))) return seed
  }
  return undefined
}

export function testMutants(mutants: readonly WireMutant[]): void {
  for (const { name, caughtBy, mishaps, swaps } of mutants) {
    const faults = mishaps === undefined ? {} : { mishaps }
    testCaught({
      name,
      caughtBy,
      seedsMax: 100,
      run: (seed, isMutant) => runWireSeed(seed, { ...faults, ...(isMutant && { swaps: swaps() }) }),
      explain: explainWire,
    })
  }
}
