import { testShard } from './wire/shard.ts'

testShard(1751, 250)
