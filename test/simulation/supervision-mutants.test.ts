import { supervisionMutants } from './mutants/supervision-mutants.ts'
import { testCaught } from './mutants/is-caught.ts'
import { explainSupervision } from './supervision/explain.ts'
import { runSupervisionSeed } from './supervision/run.ts'

for (const { name, caughtBy, mishaps = {}, swaps } of supervisionMutants) {
  testCaught({
    name,
    caughtBy,
    seedsMax: 100,
    run: (seed, isMutant) => runSupervisionSeed(seed, { mishaps, ...(isMutant && { swaps }) }),
    explain: explainSupervision,
  })
}
