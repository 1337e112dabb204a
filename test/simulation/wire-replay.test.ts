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
