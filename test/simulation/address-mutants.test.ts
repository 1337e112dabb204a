import { addressMutants } from './mutants/address-mutants.ts'
import { testMutants } from './mutants/is-caught.ts'

testMutants(addressMutants)
