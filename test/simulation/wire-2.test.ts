import { testShard } from './wire/shard.ts'

testShard(251, 250)
