import { testShard } from './wire/shard.ts'

testShard(1251, 250)
