import { connectionMutants } from './mutants/connection-mutants.ts'
import { testMutants } from './mutants/is-caught.ts'

testMutants(connectionMutants)
