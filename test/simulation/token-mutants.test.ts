import { testMutants } from './mutants/is-caught.ts'
import { tokenMutants } from './mutants/token-mutants.ts'

testMutants(tokenMutants)
