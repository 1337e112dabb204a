import { testShard } from './supervision/shard.ts'

testShard(1, 500)
