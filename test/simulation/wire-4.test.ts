import { testShard } from './wire/shard.ts'

testShard(751, 250)
