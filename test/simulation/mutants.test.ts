import { testCaught } from './mutants/is-caught.ts'
import { stateMutants } from './mutants/state-mutants.ts'
import { storeMutants } from './mutants/store-mutants.ts'
import { turnMutants } from './mutants/turn-mutants.ts'
import { explain } from './workload/explain.ts'
import { runSeed } from './workload/run.ts'

for (const { name, caughtBy, faults, poison, swaps } of [...storeMutants, ...stateMutants, ...turnMutants]) {
  const options = { ...(faults && { faults }), ...(poison !== undefined && { poison }) }
  testCaught({
    name: `an agent that ${name}`,
    caughtBy,
    seedsMax: 150,
    run: (seed, isMutant) => runSeed(seed, { ...options, ...(isMutant && { swaps: swaps() }) }),
    explain,
  })
}
