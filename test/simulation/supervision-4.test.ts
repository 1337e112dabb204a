import { testShard } from './supervision/shard.ts'

testShard(1501, 500)
