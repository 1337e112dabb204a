import { testShard } from './supervision/shard.ts'

testShard(501, 500)
