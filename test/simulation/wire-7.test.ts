import { testShard } from './wire/shard.ts'

testShard(1501, 250)
