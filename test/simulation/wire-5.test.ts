import { testShard } from './wire/shard.ts'

testShard(1001, 250)
