import { testShard } from './wire/shard.ts'

testShard(501, 250)
