import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runWireSeed } from './wire/run.ts'

test('a seed of hub and agents replays exactly', async () => {
  for (const seed of [3, 76, 410]) {
    const first = await runWireSeed(seed)
    const second = await runWireSeed(seed)
    assert.equal(second.digest, first.digest)
  }
})

test('the owner of an agent is told of a theft, in one of the seeds that have thieves', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const { reached } = await runWireSeed(seed, { mishaps: { thieves: 5 } })
    if (reached.has('theft:told')) return
  }
  assert.fail('none of 60 seeds met it')
})
