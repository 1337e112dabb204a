import { testShard } from './supervision/shard.ts'

testShard(1001, 500)
