import { testMutants } from './mutants/is-caught.ts'
import { wireMutants } from './mutants/wire-mutants.ts'

testMutants(wireMutants)
