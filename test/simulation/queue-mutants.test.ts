import { testMutants } from './mutants/is-caught.ts'
import { queueMutants } from './mutants/queue-mutants.ts'

testMutants(queueMutants)
