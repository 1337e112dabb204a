import { testShard } from './wire/shard.ts'

testShard(1, 250)
